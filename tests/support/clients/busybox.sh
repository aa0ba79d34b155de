# SPDX-License-Identifier: Apache-2.0
# What of client.py the wget of busybox does: busybox.sh URL.
tell() {
	echo "$1 $(wc -c <"$2") $(md5sum <"$2" | cut -d' ' -f1)"
}
: >none
busybox wget -q -O page "$1/page" && tell 200 page
busybox wget -q -O page "$1/page" && tell 200 page
busybox wget -q -O big "$1/big" && tell 200 big
busybox wget -q -O stream "$1/stream" && tell 200 stream
busybox wget -O nothing "$1/nothing" || tell 404 none
