;; The two searches through a message body that decide how fast a large message is signed. Source of the bytes in
;; body-kernel.ts; a test assembles this file (wat2wasm) and compares. RFC 6376 §3.4.4, RFC 5322 §2.1.1.
(module
  (memory (export "memory") 3)

  ;; For each of the 256 ways to drop some of 8 octets: the places of those kept, in order.
  (global $places i32 (i32.const 194560))
  (start $makePlaces)
  (func $makePlaces
    (local $drop i32) (local $octet i32) (local $to i32)
    (loop $next
      (local.set $to (i32.add (global.get $places) (i32.shl (local.get $drop) (i32.const 3))))
      (local.set $octet (i32.const 0))
      (loop $each
        (i32.store8 (local.get $to) (local.get $octet))
        ;; One that is dropped is overwritten by the next; what is left behind the last is not counted.
        (local.set $to
          (i32.add
            (local.get $to)
            (i32.eqz (i32.and (i32.shr_u (local.get $drop) (local.get $octet)) (i32.const 1)))))
        (br_if $each
          (i32.lt_u (local.tee $octet (i32.add (local.get $octet) (i32.const 1))) (i32.const 8))))
      (br_if $next
        (i32.lt_u (local.tee $drop (i32.add (local.get $drop) (i32.const 1))) (i32.const 256)))))

  ;; Writes the octets from..end as relaxed to `to`: a run of SP and TAB becomes one SP, and nothing before CR LF.
  ;; Answers the end of what was written. The caller sees to it that the last octet is no SP or TAB, that what
  ;; follows a last CR is no LF, that 32 octets after `end` may be overwritten or read, and that the areas lie apart.
  ;; White space comes at random, and a branch that the processor guesses wrongly costs more than moving 16 octets: so
  ;; for 256 octets after one was dropped the way of the moves is taken without asking.
  (func (export "relaxed") (param $from i32) (param $end i32) (param $to i32) (result i32)
    (local $here v128) (local $next v128) (local $tab v128) (local $drop i32) (local $half i32)
    (local $until i32) (local $kept i32)
    ;; Whatever lies behind the end must not look like white space or a line end.
    (v128.store (local.get $end) (v128.const i32x4 0 0 0 0))
    (v128.store offset=16 (local.get $end) (v128.const i32x4 0 0 0 0))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $here (v128.load (local.get $from)))
        (local.set $next (v128.load offset=1 (local.get $from)))
        (local.set $tab (i8x16.eq (local.get $here) (i8x16.splat (i32.const 9))))
        ;; Dropped: SP or TAB with SP, TAB or CR LF behind it.
        (local.set $drop
          (i8x16.bitmask
            (v128.and
              (v128.or (local.get $tab) (i8x16.eq (local.get $here) (i8x16.splat (i32.const 32))))
              (v128.or
                (v128.or
                  (i8x16.eq (local.get $next) (i8x16.splat (i32.const 32)))
                  (i8x16.eq (local.get $next) (i8x16.splat (i32.const 9))))
                (v128.and
                  (i8x16.eq (local.get $next) (i8x16.splat (i32.const 13)))
                  (i8x16.eq (v128.load offset=2 (local.get $from)) (i8x16.splat (i32.const 10))))))))
        ;; TAB (9) becomes SP (32).
        (local.set $here
          (v128.xor (local.get $here) (v128.and (local.get $tab) (i8x16.splat (i32.const 41)))))
        (if (i32.and (i32.eqz (local.get $drop)) (i32.ge_u (local.get $from) (local.get $until)))
          (then
            (v128.store (local.get $to) (local.get $here))
            (local.set $to (i32.add (local.get $to) (i32.const 16)))
            (local.set $from (i32.add (local.get $from) (i32.const 16)))
            (br $more)))
        (local.set $until
          (select (i32.add (local.get $from) (i32.const 256)) (local.get $until) (local.get $drop)))
        ;; 16 octets are written for each half; only those kept count.
        (local.set $half (i32.and (local.get $drop) (i32.const 255)))
        (v128.store
          (local.get $to)
          (i8x16.swizzle
            (local.get $here)
            (v128.load64_zero
              (i32.add (global.get $places) (i32.shl (local.get $half) (i32.const 3))))))
        (local.set $kept (i32.sub (i32.const 8) (i32.popcnt (local.get $half))))
        (local.set $half (i32.shr_u (local.get $drop) (i32.const 8)))
        (v128.store
          (i32.add (local.get $to) (local.get $kept))
          (i8x16.swizzle
            (local.get $here)
            (i8x16.add
              (i8x16.splat (i32.const 8))
              (v128.load64_zero
                (i32.add (global.get $places) (i32.shl (local.get $half) (i32.const 3)))))))
        (local.set $to
          (i32.add (local.get $to) (i32.sub (i32.const 16) (i32.popcnt (local.get $drop)))))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (br $more)))
    ;; The last 16 octets may have reached past the end; none of those was dropped.
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
