; What runs a compiled program: the worker threads' loop and the walk over a program's bands.
;
; A program is an array of 64-bit words, "the tape", that threads.py writes:
;
;     %program, then for each of its bands: %band, partials, scratch, locals, calls
;
;     partial   buffer, first, stride       the thread's copy is at table[first] + thread * stride
;     scratch   buffer, offset              at this offset of the thread's own memory
;     local     buffer, offset, unit_bytes  the same, seen from the first unit of the block
;     call      kernel, rows, n, n arguments
;
; Each thread has its own table of the buffers' addresses, a copy of the caller's.
; threads.py adds what differs between platforms: @pause and @clock.

%program = type {
  i64, ; 0 bands
  i64, ; 1 threads that take part
  i64, ; 2 copies of each partial buffer
  i64, ; 3 buffers
  i64, ; 4 address of the caller's table
  i64, ; 5 address of thread 0's memory, which begins with its table
  i64, ; 6 bytes from one thread's memory to the next one's
  i64, ; 7 bytes of the table, rounded up: local memory begins there
  i64, ; 8 address of the profile, or 0
  i64  ; 9 whether a thread runs it alone
}

%band = type {
  i64, ; 0 words of the band on the tape, with this header
  i64, ; 1 units
  i64, ; 2 units of a block
  i64, ; 3 units of each thread's share, and
  i64, ; 4 how many threads have one more
  i64, ; 5 whether thread 0 does all of it
  i64, ; 6 whether the threads meet before it
  i64, ; 7 partials
  i64, ; 8 scratch
  i64, ; 9 locals
  i64  ; 10 calls
}

; Words that different threads write are 128 bytes apart: processors fetch cache lines in pairs.
%line = type [16 x i64]
%worker = type {
  %line,      ; 0 job: address of a program, 0 none, -1 the end
  %line,      ; 1 whether the worker sleeps
  %line,      ; 2 whether a thread serves here
  [32 x i64], ; 3 mutex: larger than pthread_mutex_t is anywhere
  [32 x i64]  ; 4 condition
}
%pool = type {
  %line,          ; 0 threads that have arrived at the barrier
  %line,          ; 1 meetings so far
  [0 x %worker]   ; 2 worker 0 is not used: the caller is thread 0
}
%timespec = type { i64, i64 }

declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @sched_yield()
declare i32 @clock_gettime(i32, ptr)
declare i64 @llvm.umin.i64(i64, i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define internal i64 @now() {
  %time = alloca %timespec
  call i32 @clock_gettime(i32 @clock@, ptr %time)
  %seconds = load i64, ptr %time
  %rest.p = getelementptr %timespec, ptr %time, i64 0, i32 1
  %rest = load i64, ptr %rest.p
  %nanoseconds = mul i64 %seconds, 1000000000
  %now = add i64 %nanoseconds, %rest
  ret i64 %now
}

; ---------------------------------------------------------------------------------- waiting

; Wait a moment, the n-th time. Whoever has waited for long gives up the processor: the thread
; that is waited for may need it.
define internal void @linger(i64 %n) {
  %short = icmp ult i64 %n, 300 ; 20 us or so
  br i1 %short, label %spin, label %yield
spin:
  call void @pause()
  ret void
yield:
  call i32 @sched_yield()
  ret void
}

; Return when all threads of a program are here.
define internal void @meet(ptr %pool, i64 %threads) {
entry:
  %meetings.p = getelementptr %pool, ptr %pool, i64 0, i32 1
  %meeting = load atomic i64, ptr %meetings.p monotonic, align 8
  %before = atomicrmw add ptr %pool, i64 1 acq_rel
  %here = add i64 %before, 1
  %complete = icmp eq i64 %here, %threads
  br i1 %complete, label %last, label %wait
last:
  store atomic i64 0, ptr %pool monotonic, align 8
  %next = add i64 %meeting, 1
  store atomic i64 %next, ptr %meetings.p release, align 8
  ret void
wait:
  %n = phi i64 [ 0, %entry ], [ %n.next, %again ]
  %now = load atomic i64, ptr %meetings.p acquire, align 8
  %over = icmp ne i64 %now, %meeting
  br i1 %over, label %done, label %again
again:
  call void @linger(i64 %n)
  %n.next = add i64 %n, 1
  br label %wait
done:
  ret void
}

; Return the worker's next job: awake for as long as a new one is likely, then asleep.
define internal i64 @take(ptr %worker, i64 %patience) {
entry:
  %asleep.p = getelementptr %worker, ptr %worker, i64 0, i32 1
  %mutex = getelementptr %worker, ptr %worker, i64 0, i32 3
  %condition = getelementptr %worker, ptr %worker, i64 0, i32 4
  %start = call i64 @now()
  br label %spin
spin:
  %n = phi i64 [ 0, %entry ], [ %n.next, %pause ], [ %n.next, %look ]
  %job = load atomic i64, ptr %worker acquire, align 8
  %some = icmp ne i64 %job, 0
  br i1 %some, label %spun, label %pause
pause:
  call void @pause()
  %n.next = add i64 %n, 1
  %rest = and i64 %n.next, 31 ; reading the clock takes longer than a pause
  %due = icmp eq i64 %rest, 0
  br i1 %due, label %look, label %spin
look:
  call i32 @sched_yield() ; the caller itself may wait for this processor
  %time = call i64 @now()
  %spent = sub i64 %time, %start
  %soon = icmp ult i64 %spent, %patience
  br i1 %soon, label %spin, label %sleep
spun:
  ret i64 %job
; The worker says that it sleeps and then looks for a job; the caller leaves a job and then looks
; whether the worker sleeps. Both in one order for all threads, so one of them sees the other.
sleep:
  call i32 @pthread_mutex_lock(ptr %mutex)
  store atomic i64 1, ptr %asleep.p seq_cst, align 8
  br label %check
check:
  %found = load atomic i64, ptr %worker seq_cst, align 8
  %none = icmp eq i64 %found, 0
  br i1 %none, label %wait, label %awake
wait:
  call i32 @pthread_cond_wait(ptr %condition, ptr %mutex)
  br label %check
awake:
  store atomic i64 0, ptr %asleep.p seq_cst, align 8
  call i32 @pthread_mutex_unlock(ptr %mutex)
  ret i64 %found
}

define internal void @post(ptr %worker, i64 %job) {
  store atomic i64 %job, ptr %worker seq_cst, align 8
  %asleep.p = getelementptr %worker, ptr %worker, i64 0, i32 1
  %asleep = load atomic i64, ptr %asleep.p seq_cst, align 8
  %wake = icmp ne i64 %asleep, 0
  br i1 %wake, label %signal, label %done
signal:
  %mutex = getelementptr %worker, ptr %worker, i64 0, i32 3
  %condition = getelementptr %worker, ptr %worker, i64 0, i32 4
  call i32 @pthread_mutex_lock(ptr %mutex)
  call i32 @pthread_cond_signal(ptr %condition)
  call i32 @pthread_mutex_unlock(ptr %mutex)
  br label %done
done:
  ret void
}

define internal void @join(ptr %worker) {
entry:
  br label %wait
wait:
  %n = phi i64 [ 0, %entry ], [ %n.next, %again ]
  %job = load atomic i64, ptr %worker acquire, align 8
  %idle = icmp eq i64 %job, 0
  br i1 %idle, label %done, label %again
again:
  call void @linger(i64 %n)
  %n.next = add i64 %n, 1
  br label %wait
done:
  ret void
}

; --------------------------------------------------------------------------------- the bands

; This thread's part of a band. %times is where to add the nanoseconds of each call, or null.
define internal void @run_band(ptr %program, ptr %band, i64 %thread, ptr %times) {
entry:
  %memory.p = getelementptr %program, ptr %program, i64 0, i32 5
  %memory.0 = load ptr, ptr %memory.p
  %memory.stride.p = getelementptr %program, ptr %program, i64 0, i32 6
  %memory.stride = load i64, ptr %memory.stride.p
  %memory.offset = mul i64 %thread, %memory.stride
  %table = getelementptr i8, ptr %memory.0, i64 %memory.offset
  %table.bytes.p = getelementptr %program, ptr %program, i64 0, i32 7
  %table.bytes = load i64, ptr %table.bytes.p
  %own = getelementptr i8, ptr %table, i64 %table.bytes
  %own.i = ptrtoint ptr %own to i64

  %units.p = getelementptr %band, ptr %band, i64 0, i32 1
  %units = load i64, ptr %units.p
  %block.p = getelementptr %band, ptr %band, i64 0, i32 2
  %block = load i64, ptr %block.p
  %share.p = getelementptr %band, ptr %band, i64 0, i32 3
  %share = load i64, ptr %share.p
  %extra.p = getelementptr %band, ptr %band, i64 0, i32 4
  %extra = load i64, ptr %extra.p
  %alone.p = getelementptr %band, ptr %band, i64 0, i32 5
  %alone.w = load i64, ptr %alone.p
  %alone = icmp ne i64 %alone.w, 0
  %partials.p = getelementptr %band, ptr %band, i64 0, i32 7
  %partials.n = load i64, ptr %partials.p
  %scratch.p = getelementptr %band, ptr %band, i64 0, i32 8
  %scratch.n = load i64, ptr %scratch.p
  %locals.p = getelementptr %band, ptr %band, i64 0, i32 9
  %locals.n = load i64, ptr %locals.p
  %calls.p = getelementptr %band, ptr %band, i64 0, i32 10
  %calls.n = load i64, ptr %calls.p
  %partials = getelementptr %band, ptr %band, i64 1
  %scratch.at = mul i64 %partials.n, 3
  %scratch = getelementptr i64, ptr %partials, i64 %scratch.at
  %locals.at = mul i64 %scratch.n, 2
  %locals = getelementptr i64, ptr %scratch, i64 %locals.at
  %calls.at = mul i64 %locals.n, 3
  %calls = getelementptr i64, ptr %locals, i64 %calls.at

  %main = icmp eq i64 %thread, 0
  %begin.0 = mul i64 %thread, %share
  %begin.1 = call i64 @llvm.umin.i64(i64 %thread, i64 %extra)
  %begin.2 = add i64 %begin.0, %begin.1
  %more = icmp ult i64 %thread, %extra
  %more.w = zext i1 %more to i64
  %end.0 = add i64 %begin.2, %share
  %end.1 = add i64 %end.0, %more.w
  %end.2 = select i1 %main, i64 %units, i64 0
  %begin = select i1 %alone, i64 0, i64 %begin.2
  %end = select i1 %alone, i64 %end.2, i64 %end.1

  ; Whoever is alone zeroes the copies of all threads, since the others do nothing here.
  %copies.p = getelementptr %program, ptr %program, i64 0, i32 2
  %copies.all = load i64, ptr %copies.p
  %copies.alone = select i1 %main, i64 %copies.all, i64 0
  %copies = select i1 %alone, i64 %copies.alone, i64 1
  br label %partials.loop

partials.loop:
  %p = phi i64 [ 0, %entry ], [ %p.next, %partials.body ]
  %p.more = icmp ult i64 %p, %partials.n
  br i1 %p.more, label %partials.body, label %scratch.loop
partials.body:
  %p.at = mul i64 %p, 3
  %p.buffer.p = getelementptr i64, ptr %partials, i64 %p.at
  %p.buffer = load i64, ptr %p.buffer.p
  %p.first.p = getelementptr i64, ptr %p.buffer.p, i64 1
  %p.first = load i64, ptr %p.first.p
  %p.stride.p = getelementptr i64, ptr %p.buffer.p, i64 2
  %p.stride = load i64, ptr %p.stride.p
  %p.base.p = getelementptr ptr, ptr %table, i64 %p.first
  %p.base = load ptr, ptr %p.base.p
  %p.offset = mul i64 %thread, %p.stride
  %p.copy = getelementptr i8, ptr %p.base, i64 %p.offset
  %p.bytes = mul i64 %copies, %p.stride
  call void @llvm.memset.p0.i64(ptr %p.copy, i8 0, i64 %p.bytes, i1 false)
  %p.entry = getelementptr ptr, ptr %table, i64 %p.buffer
  store ptr %p.copy, ptr %p.entry
  %p.next = add i64 %p, 1
  br label %partials.loop

scratch.loop:
  %s = phi i64 [ 0, %partials.loop ], [ %s.next, %scratch.body ]
  %s.more = icmp ult i64 %s, %scratch.n
  br i1 %s.more, label %scratch.body, label %blocks
scratch.body:
  %s.at = mul i64 %s, 2
  %s.buffer.p = getelementptr i64, ptr %scratch, i64 %s.at
  %s.buffer = load i64, ptr %s.buffer.p
  %s.offset.p = getelementptr i64, ptr %s.buffer.p, i64 1
  %s.offset = load i64, ptr %s.offset.p
  %s.address = getelementptr i8, ptr %own, i64 %s.offset
  %s.entry = getelementptr ptr, ptr %table, i64 %s.buffer
  store ptr %s.address, ptr %s.entry
  %s.next = add i64 %s, 1
  br label %scratch.loop

blocks:
  %b = phi i64 [ %begin, %scratch.loop ], [ %e, %calls.loop ]
  %b.more = icmp ult i64 %b, %end
  br i1 %b.more, label %blocks.body, label %done
blocks.body:
  %left = sub i64 %end, %b
  %length = call i64 @llvm.umin.i64(i64 %left, i64 %block)
  %e = add i64 %b, %length
  %first = icmp eq i64 %b, %begin
  %first.w = zext i1 %first to i64
  br label %locals.loop

locals.loop:
  %l = phi i64 [ 0, %blocks.body ], [ %l.next, %locals.body ]
  %l.more = icmp ult i64 %l, %locals.n
  br i1 %l.more, label %locals.body, label %calls.loop
locals.body:
  %l.at = mul i64 %l, 3
  %l.buffer.p = getelementptr i64, ptr %locals, i64 %l.at
  %l.buffer = load i64, ptr %l.buffer.p
  %l.offset.p = getelementptr i64, ptr %l.buffer.p, i64 1
  %l.offset = load i64, ptr %l.offset.p
  %l.unit.p = getelementptr i64, ptr %l.buffer.p, i64 2
  %l.unit = load i64, ptr %l.unit.p
  %l.skip = mul i64 %b, %l.unit
  %l.0 = add i64 %own.i, %l.offset
  %l.address = sub i64 %l.0, %l.skip
  %l.entry = getelementptr i64, ptr %table, i64 %l.buffer
  store i64 %l.address, ptr %l.entry
  %l.next = add i64 %l, 1
  br label %locals.loop

calls.loop:
  %c = phi i64 [ 0, %locals.loop ], [ %c.next, %called ]
  %call = phi ptr [ %calls, %locals.loop ], [ %call.next, %called ]
  %c.more = icmp ult i64 %c, %calls.n
  br i1 %c.more, label %calls.body, label %blocks
calls.body:
  %kernel = load ptr, ptr %call
  %rows.p = getelementptr i64, ptr %call, i64 1
  %rows = load i64, ptr %rows.p
  %n.p = getelementptr i64, ptr %call, i64 2
  %n = load i64, ptr %n.p
  %arguments = getelementptr i64, ptr %call, i64 3
  %call.next = getelementptr i64, ptr %arguments, i64 %n
  %c.next = add i64 %c, 1
  %row.begin = mul i64 %b, %rows
  %row.end = mul i64 %e, %rows
  %timed = icmp ne ptr %times, null
  br i1 %timed, label %call.timed, label %call.plain
call.plain:
  call void %kernel(ptr %table, ptr %arguments, i64 %row.begin, i64 %row.end, i64 %first.w)
  br label %called
call.timed:
  %t0 = call i64 @now()
  call void %kernel(ptr %table, ptr %arguments, i64 %row.begin, i64 %row.end, i64 %first.w)
  %t1 = call i64 @now()
  %spent = sub i64 %t1, %t0
  %time.p = getelementptr i64, ptr %times, i64 %c
  %time = load i64, ptr %time.p
  %time.sum = add i64 %time, %spent
  store i64 %time.sum, ptr %time.p
  br label %called
called:
  br label %calls.loop

done:
  ret void
}

; Copy the caller's table of addresses to a thread's own.
define internal void @prepare(ptr %program, i64 %thread) {
  %buffers.p = getelementptr %program, ptr %program, i64 0, i32 3
  %buffers = load i64, ptr %buffers.p
  %bytes = mul i64 %buffers, 8
  %table.p = getelementptr %program, ptr %program, i64 0, i32 4
  %table = load ptr, ptr %table.p
  %memory.p = getelementptr %program, ptr %program, i64 0, i32 5
  %memory = load ptr, ptr %memory.p
  %stride.p = getelementptr %program, ptr %program, i64 0, i32 6
  %stride = load i64, ptr %stride.p
  %offset = mul i64 %thread, %stride
  %own = getelementptr i8, ptr %memory, i64 %offset
  call void @llvm.memcpy.p0.p0.i64(ptr %own, ptr %table, i64 %bytes, i1 false)
  ret void
}

; A thread's part of a program. A pool of null means that one thread does the part of all.
define internal void @walk(ptr %pool, ptr %program, i64 %thread) {
entry:
  %bands = load i64, ptr %program
  %threads.p = getelementptr %program, ptr %program, i64 0, i32 1
  %threads = load i64, ptr %threads.p
  %profile.p = getelementptr %program, ptr %program, i64 0, i32 8
  %profile.0 = load ptr, ptr %profile.p
  %main = icmp eq i64 %thread, 0
  %profile = select i1 %main, ptr %profile.0, ptr null
  %timed = icmp ne ptr %profile, null
  %together = icmp ne ptr %pool, null
  %first = getelementptr %program, ptr %program, i64 1
  br i1 %together, label %prepare.own, label %prepare.loop
prepare.own:
  call void @prepare(ptr %program, i64 %thread)
  br label %loop
prepare.loop:
  %p = phi i64 [ 0, %entry ], [ %p.next, %prepare.loop ]
  call void @prepare(ptr %program, i64 %p)
  %p.next = add i64 %p, 1
  %p.more = icmp ult i64 %p.next, %threads
  br i1 %p.more, label %prepare.loop, label %loop

loop:
  %i = phi i64 [ 0, %prepare.own ], [ 0, %prepare.loop ], [ %i.next, %next ]
  %band = phi ptr [ %first, %prepare.own ], [ %first, %prepare.loop ], [ %band.next, %next ]
  %slot = phi ptr [ %profile, %prepare.own ], [ %profile, %prepare.loop ], [ %slot.next, %next ]
  %more = icmp ult i64 %i, %bands
  br i1 %more, label %body, label %done
body:
  %times.behind = getelementptr i64, ptr %slot, i64 1
  %times = select i1 %timed, ptr %times.behind, ptr null
  br i1 %together, label %barrier.check, label %each
barrier.check:
  %barrier.p = getelementptr %band, ptr %band, i64 0, i32 6
  %barrier.w = load i64, ptr %barrier.p
  %barrier = icmp ne i64 %barrier.w, 0
  br i1 %barrier, label %barrier.timed, label %part
barrier.timed:
  br i1 %timed, label %meet.timed, label %meet.plain
meet.plain:
  call void @meet(ptr %pool, i64 %threads)
  br label %part
meet.timed:
  %t0 = call i64 @now()
  call void @meet(ptr %pool, i64 %threads)
  %t1 = call i64 @now()
  %waited = sub i64 %t1, %t0
  store i64 %waited, ptr %slot
  br label %part
part:
  call void @run_band(ptr %program, ptr %band, i64 %thread, ptr %times)
  br label %next
each:
  %t = phi i64 [ 0, %body ], [ %t.next, %each ]
  call void @run_band(ptr %program, ptr %band, i64 %t, ptr %times)
  %t.next = add i64 %t, 1
  %t.more = icmp ult i64 %t.next, %threads
  br i1 %t.more, label %each, label %next
next:
  %words = load i64, ptr %band
  %band.next = getelementptr i64, ptr %band, i64 %words
  %calls.p = getelementptr %band, ptr %band, i64 0, i32 10
  %calls = load i64, ptr %calls.p
  %slot.next = getelementptr i64, ptr %times.behind, i64 %calls
  %i.next = add i64 %i, 1
  br label %loop
done:
  ret void
}

; --------------------------------------------------------------------- what threads.py calls

; Run a program on the calling thread, which takes every thread's part in turn. A second caller
; waits here: a lock of Python's would take as long as the rest of the call.
define void @run_alone(ptr %program) {
entry:
  %busy.p = getelementptr %program, ptr %program, i64 0, i32 9
  br label %try
try:
  %n = phi i64 [ 0, %entry ], [ %n.next, %again ]
  %busy = atomicrmw xchg ptr %busy.p, i64 1 acquire
  %taken = icmp ne i64 %busy, 0
  br i1 %taken, label %again, label %run
again:
  call void @linger(i64 %n)
  %n.next = add i64 %n, 1
  br label %try
run:
  call void @walk(ptr null, ptr %program, i64 0)
  store atomic i64 0, ptr %busy.p release, align 8
  ret void
}

; Run a program together with workers 1, 2, ... of the pool.
define void @run_together(ptr %pool, ptr %program) {
entry:
  %threads.p = getelementptr %program, ptr %program, i64 0, i32 1
  %threads = load i64, ptr %threads.p
  %job = ptrtoint ptr %program to i64
  br label %post
post:
  %p = phi i64 [ 1, %entry ], [ %p.next, %post.body ]
  %p.more = icmp ult i64 %p, %threads
  br i1 %p.more, label %post.body, label %work
post.body:
  %p.worker = getelementptr %pool, ptr %pool, i64 0, i32 2, i64 %p
  call void @post(ptr %p.worker, i64 %job)
  %p.next = add i64 %p, 1
  br label %post
work:
  call void @walk(ptr %pool, ptr %program, i64 0)
  br label %join
join:
  %j = phi i64 [ 1, %work ], [ %j.next, %join.body ]
  %j.more = icmp ult i64 %j, %threads
  br i1 %j.more, label %join.body, label %done
join.body:
  %j.worker = getelementptr %pool, ptr %pool, i64 0, i32 2, i64 %j
  call void @join(ptr %j.worker)
  %j.next = add i64 %j, 1
  br label %join
done:
  ret void
}

; What a worker's Python thread sits in: take jobs until the end is asked for. Nobody else touches
; the mutex and the condition before the worker sleeps.
define void @serve(ptr %pool, i64 %number, i64 %patience) {
entry:
  %worker = getelementptr %pool, ptr %pool, i64 0, i32 2, i64 %number
  %served.p = getelementptr %worker, ptr %worker, i64 0, i32 2
  %served = atomicrmw xchg ptr %served.p, i64 1 seq_cst
  %second = icmp ne i64 %served, 0
  br i1 %second, label %done, label %open
open:
  %mutex = getelementptr %worker, ptr %worker, i64 0, i32 3
  %condition = getelementptr %worker, ptr %worker, i64 0, i32 4
  call i32 @pthread_mutex_init(ptr %mutex, ptr null)
  call i32 @pthread_cond_init(ptr %condition, ptr null)
  br label %loop
loop:
  %job = call i64 @take(ptr %worker, i64 %patience)
  %end = icmp eq i64 %job, -1
  br i1 %end, label %done, label %work
work:
  %program = inttoptr i64 %job to ptr
  call void @walk(ptr %pool, ptr %program, i64 %number)
  store atomic i64 0, ptr %worker release, align 8
  br label %loop
done:
  ret void
}

; Ask a worker to end.
define void @dismiss(ptr %pool, i64 %number) {
  %worker = getelementptr %pool, ptr %pool, i64 0, i32 2, i64 %number
  call void @post(ptr %worker, i64 -1)
  ret void
}
