<?php
// SPDX-License-Identifier: Apache-2.0
// Spans in PHP by FFI (ffi.enable); without the preload it is nothing.
try {
    $interspan = FFI::cdef('
        uint64_t interspan_start_span(const char *name);
        void interspan_end_span(uint64_t span);
        void interspan_set_attribute(const char *key, const char *value);
        void interspan_set_error(const char *type);
        void interspan_add_event(const char *name);
    ');
} catch (FFI\Exception $missing) {
    exit(0);
}

$import = $interspan->interspan_start_span('import');
$interspan->interspan_set_attribute('file', 'orders.csv');
$parse = $interspan->interspan_start_span('parse');
$interspan->interspan_add_event('half of it');
$interspan->interspan_set_error('bad_line');
$interspan->interspan_end_span($parse);
$interspan->interspan_end_span($import);
