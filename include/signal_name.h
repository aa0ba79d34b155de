/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNAL_NAME_H
#define SIGNAL_NAME_H
#include "bytes.h"

/* "SIGKILL", for error.type; "_OTHER" for those that not every machine has.  Static. */
struct bytes signal_name(int number);

#endif
