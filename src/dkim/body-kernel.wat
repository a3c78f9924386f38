;; The two searches through a message body that decide how fast a large message is signed. Source of the bytes in
;; body-kernel.ts; a test assembles this file (wat2wasm) and compares. RFC 6376 §3.4.4, RFC 5322 §2.1.1.
(module
  (memory (export "memory") 3)

  ;; Writes the octets from..end as relaxed to `to`: a run of SP and TAB becomes one SP, and nothing before CR LF.
  ;; Answers the end of what was written. The caller sees to it that the last octet is no SP or TAB, that what
  ;; follows a last CR is no LF, that 32 octets after `end` may be overwritten or read, and that the areas lie apart.
  (func (export "relaxed") (param $from i32) (param $end i32) (param $to i32) (result i32)
    (local $here v128) (local $next v128) (local $found i32) (local $octet i32)
    ;; Whatever lies behind the end must not look like white space or a line end.
    (v128.store (local.get $end) (v128.const i32x4 0 0 0 0))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        ;; 16 octets are always written; only those before the first that needs attention count.
        (v128.store (local.get $to) (local.tee $here (v128.load (local.get $from))))
        (local.set $next (v128.load offset=1 (local.get $from)))
        ;; A TAB, or an SP with SP, TAB or CR behind it.
        (local.set $found
          (i8x16.bitmask
            (v128.or
              (i8x16.eq (local.get $here) (i8x16.splat (i32.const 9)))
              (v128.and
                (i8x16.eq (local.get $here) (i8x16.splat (i32.const 32)))
                (v128.or
                  (v128.or
                    (i8x16.eq (local.get $next) (i8x16.splat (i32.const 32)))
                    (i8x16.eq (local.get $next) (i8x16.splat (i32.const 9))))
                  (i8x16.eq (local.get $next) (i8x16.splat (i32.const 13))))))))
        (if (i32.eqz (local.get $found))
          (then
            (local.set $from (i32.add (local.get $from) (i32.const 16)))
            (local.set $to (i32.add (local.get $to) (i32.const 16)))
            (br $more)))
        (local.set $found (i32.ctz (local.get $found)))
        (local.set $from (i32.add (local.get $from) (local.get $found)))
        (local.set $to (i32.add (local.get $to) (local.get $found)))
        (loop $run
          (local.set $from (i32.add (local.get $from) (i32.const 1)))
          (local.set $octet (i32.load8_u (local.get $from)))
          (br_if $run
            (i32.or
              (i32.eq (local.get $octet) (i32.const 32))
              (i32.eq (local.get $octet) (i32.const 9)))))
        ;; 0x0a0d is CR LF, read as a little-endian number.
        (if (i32.ne (i32.load16_u (local.get $from)) (i32.const 0x0a0d))
          (then
            (i32.store8 (local.get $to) (i32.const 32))
            (local.set $to (i32.add (local.get $to) (i32.const 1)))))
        (br $more)))
    ;; The last 16 octets may have reached past the end.
    (i32.sub (local.get $to) (i32.sub (local.get $from) (local.get $end))))

  ;; Follows the line ends of from..end. `open` is how many octets of the current line came before. Answers how many
  ;; octets the last line has so far, or -1 where `limit` octets in a row hold no LF. Jumps from the last LF that lies
  ;; within the limit to the next such, so it reads about half a line for each `limit` octets. Needs 16 octets before.
  (func (export "openLine")
    (param $from i32) (param $end i32) (param $open i32) (param $limit i32) (result i32)
    (local $start i32) (local $stop i32) (local $at i32) (local $found i32)
    (local.set $start (i32.sub (local.get $from) (local.get $open)))
    (loop $window
      (local.set $stop (i32.add (local.get $start) (local.get $limit)))
      (if (i32.gt_s (local.get $stop) (local.get $end)) (then (local.set $stop (local.get $end))))
      (local.set $at (local.get $stop))
      (block $none
        (loop $back
          (br_if $none (i32.le_s (local.get $at) (local.get $from)))
          (local.set $at (i32.sub (local.get $at) (i32.const 16)))
          (local.set $found
            (i8x16.bitmask (i8x16.eq (v128.load (local.get $at)) (i8x16.splat (i32.const 10)))))
          (br_if $back (i32.eqz (local.get $found))))
        ;; 32 - clz is the place after the last LF of the 16.
        (local.set $at
          (i32.add (local.get $at) (i32.sub (i32.const 32) (i32.clz (local.get $found)))))
        ;; An LF before this window is old.
        (br_if $none (i32.le_s (local.get $at) (local.get $start)))
        (br_if $none (i32.le_s (local.get $at) (local.get $from)))
        (local.set $start (local.get $at))
        (br_if $window (i32.lt_s (local.get $stop) (local.get $end)))
        (return (i32.sub (local.get $end) (local.get $start))))
      (if (i32.ge_s (i32.sub (local.get $end) (local.get $start)) (local.get $limit)) (then (return (i32.const -1)))))
    (i32.sub (local.get $end) (local.get $start)))
)
