package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/oracle"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
)

var scenarios = []scenario{
	{"put-get-delete", putGetDelete},
	{"scan-regions", scanRegions},
	{"keyspaces", keyspaces},
	{"optimistic-conflict", optimisticConflict},
	{"snapshot", snapshotOfReader},
	{"pessimistic-lock", pessimisticLock},
	{"commit-between", commitBetween},
	{"deadlock", deadlock},
	{"no-false-deadlock", noFalseDeadlock},
	{"check-existence", checkExistence},
	{"force-lock", forceLock},
	{"insert-existing", insertExisting},
	{"abandoned", abandoned},
	{"heart-beat", heartBeat},
	{"one-pc", onePC},
	{"async-commit", asyncCommit},
	{"pipelined", pipelined},
	{"follower-read", followerRead},
	{"stale-read", staleRead},
	{"moves-under-load", movesUnderLoad},
	{"bank-optimistic", func(e *env) { bank(e, false) }},
	{"bank-pessimistic", func(e *env) { bank(e, true) }},
	{"store-killed", storeKilled},
	{"commit-answer-dropped", commitAnswerDropped},
	{"region-errors", regionErrors},
	{"gc", gc},
	{"delete-range", deleteRange},
	{"api-v1-refused", apiV1Refused},
	{"large-values", largeValues},
	{"timestamps", timestamps},
	{"late-commit", lateCommit},
}

func (e *env) begin(pessimistic bool) *transaction.KVTxn {
	txn, err := e.c.Begin()
	must(err)
	txn.SetPessimistic(pessimistic)
	return txn
}

func (e *env) put(pairs ...string) {
	txn := e.begin(false)
	for i := 0; i < len(pairs); i += 2 {
		must(txn.Set(e.key(pairs[i]), []byte(pairs[i+1])))
	}
	must(txn.Commit(ctx))
}

// get reads the newest value; "" when there is none.
func (e *env) get(name string) string {
	ts, err := e.c.GetTimestamp(ctx)
	must(err)
	return e.getAt(name, ts)
}

func (e *env) getAt(name string, ts uint64) string {
	entry, err := e.c.GetSnapshot(ts).Get(ctx, e.key(name))
	if tikverr.IsErrNotFound(err) {
		return ""
	}
	must(err)
	return string(entry.Value)
}

func (e *env) now() uint64 {
	ts, err := e.c.GetTimestamp(ctx)
	must(err)
	return ts
}

// split splits the region at a key of the scenario.
func (e *env) split(name string) {
	codec := e.c.GetPDClient().(*tikv.CodecPDClient).GetCodec()
	post("/split?key="+hexOf(codec.EncodeKey(e.key(name))), nil, nil)
}

func (e *env) lock(txn *transaction.KVTxn, wait int64, names ...string) error {
	lockCtx := kv.NewLockCtx(e.now(), wait, time.Now())
	keys := make([][]byte, len(names))
	for i, name := range names {
		keys[i] = e.key(name)
	}
	return txn.LockKeys(ctx, lockCtx, keys...)
}

// lockAgain locks as a statement does: after a conflict, which a waiter that was woken always gets, with a newer timestamp.
func (e *env) lockAgain(txn *transaction.KVTxn, wait int64, names ...string) error {
	for {
		err := e.lock(txn, wait, names...)
		if !tikverr.IsErrWriteConflict(err) {
			return err
		}
	}
}

func putGetDelete(e *env) {
	e.put("a", "1", "b", "2")
	expect(e.get("a") == "1" && e.get("b") == "2", "values")
	txn := e.begin(false)
	must(txn.Delete(e.key("a")))
	must(txn.Commit(ctx))
	expect(e.get("a") == "" && e.get("b") == "2", "after the delete")
}

func scanRegions(e *env) {
	const n = 500
	txn := e.begin(false)
	for i := 0; i < n; i++ {
		must(txn.Set(e.key(fmt.Sprintf("%04d", i)), []byte(fmt.Sprint(i))))
	}
	must(txn.Commit(ctx))
	for _, at := range []string{"0100", "0250", "0251", "0400"} {
		e.split(at)
	}
	for _, size := range []int{3, 256} {
		snapshot := e.c.GetSnapshot(e.now())
		snapshot.SetScanBatchSize(size)
		it, err := snapshot.Iter(e.key("0050"), e.key("0450"))
		must(err)
		i := 50
		for it.Valid() {
			expect(string(it.Key()) == string(e.key(fmt.Sprintf("%04d", i))) && string(it.Value()) == fmt.Sprint(i), "key %d: %s", i, it.Key())
			i++
			must(it.Next())
		}
		expect(i == 450, "forward ended at %d", i)
		back, err := snapshot.IterReverse(e.key("0450"), e.key("0050"))
		must(err)
		for i = 449; back.Valid(); i-- {
			expect(string(back.Key()) == string(e.key(fmt.Sprintf("%04d", i))), "reverse key %d: %s", i, back.Key())
			must(back.Next())
		}
		expect(i == 49, "reverse ended at %d", i)
	}
	snapshot := e.c.GetSnapshot(e.now())
	keys := [][]byte{e.key("0001"), e.key("0260"), e.key("0499"), e.key("9999")}
	found, err := snapshot.BatchGet(ctx, keys)
	must(err)
	expect(len(found) == 3, "batch get found %d", len(found))
}

func keyspaces(e *env) {
	other := &env{c: newClient("other"), prefix: e.prefix}
	defer other.c.Close()
	e.put("k", "mine")
	other.put("k", "theirs")
	expect(e.get("k") == "mine" && other.get("k") == "theirs", "keyspaces share a key")
	it, err := other.c.GetSnapshot(other.now()).Iter(nil, nil)
	must(err)
	for it.Valid() {
		expect(!bytes.Contains(it.Value(), []byte("mine")), "a scan of the other keyspace sees %s", it.Key())
		must(it.Next())
	}
}

func optimisticConflict(e *env) {
	e.put("a", "0")
	one, two := e.begin(false), e.begin(false)
	must(one.Set(e.key("a"), []byte("1")))
	must(two.Set(e.key("a"), []byte("2")))
	must(one.Commit(ctx))
	err := two.Commit(ctx)
	expect(tikverr.IsErrWriteConflict(err), "expected a write conflict, got %v", err)
	expect(e.get("a") == "1", "value")
}

func snapshotOfReader(e *env) {
	e.put("a", "old", "b", "old")
	reader := e.begin(false)
	first, err := reader.Get(ctx, e.key("a"))
	must(err)
	e.put("a", "new", "b", "new")
	second, err := reader.Get(ctx, e.key("b"))
	must(err)
	expect(string(first.Value) == "old" && string(second.Value) == "old", "the snapshot moved: %s %s", first.Value, second.Value)
}

func pessimisticLock(e *env) {
	e.put("a", "0")
	holder, waiter := e.begin(true), e.begin(true)
	must(e.lock(holder, kv.LockAlwaysWait, "a"))
	err := e.lock(waiter, kv.LockNoWait, "a")
	expect(errors.Is(err, tikverr.ErrLockAcquireFailAndNoWaitSet), "NOWAIT: %v", err)
	started := time.Now()
	err = e.lock(waiter, 400, "a")
	expect(errors.Is(err, tikverr.ErrLockWaitTimeout), "wait: %v", err)
	took := time.Since(started)
	expect(took > 350*time.Millisecond && took < 3*time.Second, "waited %v", took)
	released := make(chan error, 1)
	go func() { released <- e.lockAgain(waiter, 10000, "a") }()
	time.Sleep(200 * time.Millisecond)
	must(holder.Rollback())
	must(<-released)
	must(waiter.Set(e.key("a"), []byte("1")))
	must(waiter.Commit(ctx))
	expect(e.get("a") == "1", "value")
}

func commitBetween(e *env) {
	e.put("a", "0")
	txn := e.begin(true)
	lockCtx := kv.NewLockCtx(txn.StartTS(), kv.LockAlwaysWait, time.Now())
	e.put("a", "1")
	err := txn.LockKeys(ctx, lockCtx, e.key("a"))
	expect(tikverr.IsErrWriteConflict(err), "expected a write conflict, got %v", err)
	lockCtx = kv.NewLockCtx(e.now(), kv.LockAlwaysWait, time.Now())
	lockCtx.InitReturnValues(1)
	must(txn.LockKeys(ctx, lockCtx, e.key("a")))
	value := lockCtx.Values[string(e.key("a"))]
	expect(string(value.Value) == "1", "value under the lock: %s", value.Value)
	must(txn.Set(e.key("a"), []byte("2")))
	must(txn.Commit(ctx))
	expect(e.get("a") == "2", "value")
}

func deadlock(e *env) {
	e.put("a", "0", "b", "0")
	one, two := e.begin(true), e.begin(true)
	must(e.lock(one, 10000, "a"))
	must(e.lock(two, 10000, "b"))
	waited := make(chan error, 1)
	go func() { waited <- e.lockAgain(one, 10000, "b") }()
	time.Sleep(200 * time.Millisecond)
	err := e.lock(two, 10000, "a")
	var dead *tikverr.ErrDeadlock
	expect(errors.As(err, &dead), "expected a deadlock, got %v", err)
	expect(len(dead.WaitChain) == 2, "wait chain of %d", len(dead.WaitChain))
	must(two.Rollback())
	must(<-waited)
	must(one.Rollback())
}

func noFalseDeadlock(e *env) {
	one, two := e.begin(true), e.begin(true)
	must(e.lock(one, 10000, "a"))
	must(e.lock(two, 10000, "b"))
	err := e.lock(one, 200, "b")
	expect(errors.Is(err, tikverr.ErrLockWaitTimeout), "first wait: %v", err)
	err = e.lock(two, 200, "a")
	expect(errors.Is(err, tikverr.ErrLockWaitTimeout), "second wait: %v", err)
	must(one.Rollback())
	must(two.Rollback())
}

func checkExistence(e *env) {
	e.put("a", "1")
	txn := e.begin(true)
	must(e.lock(txn, 1000, "p"))
	lockCtx := kv.NewLockCtx(e.now(), 1000, time.Now())
	lockCtx.InitCheckExistence(2)
	must(txn.LockKeys(ctx, lockCtx, e.key("a"), e.key("b")))
	expect(lockCtx.Values[string(e.key("a"))].Exists && !lockCtx.Values[string(e.key("b"))].Exists, "existence: %v", lockCtx.Values)
	lockCtx = kv.NewLockCtx(e.now(), 1000, time.Now())
	lockCtx.InitReturnValues(1)
	lockCtx.LockOnlyIfExists = true
	must(txn.LockKeys(ctx, lockCtx, e.key("c")))
	other := e.begin(true)
	must(e.lock(other, kv.LockNoWait, "c"))
	err := e.lock(other, kv.LockNoWait, "a")
	expect(errors.Is(err, tikverr.ErrLockAcquireFailAndNoWaitSet), "a is not locked: %v", err)
	must(other.Rollback())
	must(txn.Rollback())
}

func forceLock(e *env) {
	e.put("a", "0")
	holder, waiter := e.begin(true), e.begin(true)
	must(e.lock(holder, 10000, "a"))
	done := make(chan error, 1)
	lockCtx := kv.NewLockCtx(waiter.StartTS(), 10000, time.Now())
	lockCtx.InitReturnValues(1)
	go func() {
		waiter.StartAggressiveLocking()
		done <- waiter.LockKeys(ctx, lockCtx, e.key("a"))
	}()
	time.Sleep(200 * time.Millisecond)
	must(holder.Set(e.key("a"), []byte("1")))
	must(holder.Commit(ctx))
	must(<-done)
	value := lockCtx.Values[string(e.key("a"))]
	expect(value.LockedWithConflictTS == holder.CommitTS() && string(value.Value) == "1", "granted over %d with %q, committed at %d", value.LockedWithConflictTS, value.Value, holder.CommitTS())
	waiter.DoneAggressiveLocking(ctx)
	must(waiter.Set(e.key("a"), []byte("2")))
	must(waiter.Commit(ctx))
	expect(e.get("a") == "2", "value")
}

func insertExisting(e *env) {
	e.put("a", "1")
	txn := e.begin(false)
	must(txn.GetMemBuffer().SetWithFlags(e.key("a"), []byte("2"), kv.SetPresumeKeyNotExists))
	err := txn.Commit(ctx)
	expect(tikverr.IsErrKeyExist(err), "optimistic: %v", err)
	txn = e.begin(true)
	must(txn.GetMemBuffer().SetWithFlags(e.key("a"), []byte("2"), kv.SetPresumeKeyNotExists))
	err = e.lock(txn, 1000, "a")
	expect(tikverr.IsErrKeyExist(err), "pessimistic: %v", err)
	must(txn.Rollback())
	txn = e.begin(false)
	must(txn.GetMemBuffer().SetWithFlags(e.key("b"), []byte("2"), kv.SetPresumeKeyNotExists))
	must(txn.Commit(ctx))
	expect(e.get("a") == "1" && e.get("b") == "2", "values")
}

// leaveLocks prewrites and goes away.
func leaveLocks(e *env, async bool, names ...string) {
	txn := e.begin(false)
	for _, name := range names {
		must(txn.Set(e.key(name), []byte("left")))
	}
	committer, err := transaction.TxnProbe{KVTxn: txn}.NewCommitter(1)
	must(err)
	if async {
		committer.SetUseAsyncCommit()
	}
	must(committer.PrewriteAllMutations(ctx))
}

func abandoned(e *env) {
	e.put("a", "0", "b", "0", "c", "0")
	leaveLocks(e, false, "a", "b")
	holder := e.begin(true)
	must(e.lock(holder, 1000, "c"))
	transaction.TxnProbe{KVTxn: holder}.GetCommitter().CloseTTLManager()
	advance(60000)
	expect(e.get("a") == "0" && e.get("b") == "0", "an expired transaction's value was read")
	e.put("a", "1", "c", "1")
	expect(e.get("a") == "1" && e.get("c") == "1", "values")
	leaveLocks(e, true, "d", "f")
	advance(60000)
	expect(e.get("d") == "left" && e.get("f") == "left", "an async commit with all its locks is committed")
}

func heartBeat(e *env) {
	before := atomic.LoadUint64(&transaction.ManagedLockTTL)
	atomic.StoreUint64(&transaction.ManagedLockTTL, 1500)
	defer atomic.StoreUint64(&transaction.ManagedLockTTL, before)
	e.put("a", "0")
	holder := e.begin(true)
	must(e.lock(holder, 1000, "a"))
	time.Sleep(3500 * time.Millisecond)
	other := e.begin(true)
	err := e.lock(other, 300, "a")
	expect(errors.Is(err, tikverr.ErrLockWaitTimeout), "the lock was lost: %v", err)
	expect(counts()["KvTxnHeartBeat"] >= 2, "heart-beats: %v", counts())
	must(holder.Set(e.key("a"), []byte("1")))
	must(holder.Commit(ctx))
	must(other.Rollback())
}

func onePC(e *env) {
	reset()
	txn := e.begin(false)
	txn.SetEnable1PC(true)
	must(txn.Set(e.key("a"), []byte("1")))
	must(txn.Set(e.key("b"), []byte("2")))
	must(txn.Commit(ctx))
	n := counts()
	expect(n["KvPrewrite"] == 1 && n["KvCommit"] == 0, "RPCs: %v", n)
	expect(e.get("a") == "1" && e.get("b") == "2", "values")
	expect(e.getAt("a", txn.CommitTS()-1) == "", "visible before its commit")
}

func asyncCommit(e *env) {
	e.split("m")
	reset()
	txn := e.begin(false)
	txn.SetEnableAsyncCommit(true)
	must(txn.Set(e.key("a"), []byte("1")))
	must(txn.Set(e.key("z"), []byte("2")))
	must(txn.Commit(ctx))
	expect(transaction.TxnProbe{KVTxn: txn}.IsAsyncCommit(), "not committed asynchronously")
	expect(e.get("a") == "1" && e.get("z") == "2", "values")
}

// This client leaves the keyspace's prefix out of its flushes, so that a store with API v2 refuses them: nothing may come of such a transaction.
func pipelined(e *env) {
	txn, err := e.c.Begin(tikv.WithDefaultPipelinedTxn())
	must(err)
	for i := 0; i < 100; i++ {
		must(txn.Set(e.key(fmt.Sprintf("%05d", i)), bytes.Repeat([]byte("v"), 100)))
	}
	_, err = txn.GetMemBuffer().Flush(true)
	if err == nil {
		err = txn.GetMemBuffer().FlushWait()
	}
	expect(err != nil && strings.Contains(err.Error(), "InvalidKeyMode"), "flushes without prefix: %v", err)
	expect(counts()["KvFlush"] > 0, "no flush: %v", counts())
	must(txn.Rollback())
	expect(e.get("00001") == "", "a value of a refused flush")
}

func followerRead(e *env) {
	e.put("a", "1")
	snapshot := e.c.GetSnapshot(e.now())
	snapshot.SetReplicaRead(kv.ReplicaReadFollower)
	entry, err := snapshot.Get(ctx, e.key("a"))
	must(err)
	expect(string(entry.Value) == "1", "value")
}

func staleRead(e *env) {
	e.put("a", "1")
	at := e.now()
	advance(5000)
	e.put("a", "2")
	snapshot := e.c.GetSnapshot(at)
	snapshot.SetIsStalenessReadOnly(true)
	snapshot.SetReplicaRead(kv.ReplicaReadMixed)
	entry, err := snapshot.Get(ctx, e.key("a"))
	must(err)
	expect(string(entry.Value) == "1", "value %s", entry.Value)
}

// shake splits, merges and moves leaders until told to stop.
func shake(e *env, seed int64, stop <-chan struct{}) {
	r := rand.New(rand.NewSource(seed))
	for {
		select {
		case <-stop:
			return
		case <-time.After(15 * time.Millisecond):
		}
		list := regions()
		one := list[r.Intn(len(list))]
		switch r.Intn(3) {
		case 0:
			e.split(fmt.Sprintf("%03d", r.Intn(100)))
		case 1:
			if one.End != "" {
				post(fmt.Sprintf("/merge?region=%d", one.ID), nil, nil)
			}
		default:
			post(fmt.Sprintf("/leader?region=%d&store=%d", one.ID, 1+r.Intn(3)), nil, nil)
		}
	}
}

func movesUnderLoad(e *env) {
	stop := make(chan struct{})
	var shaking sync.WaitGroup
	shaking.Add(1)
	go func() {
		defer shaking.Done()
		shake(e, 7, stop)
	}()
	var workers sync.WaitGroup
	var problems atomic.Value
	for w := 0; w < 4; w++ {
		workers.Add(1)
		go func(w int) {
			defer workers.Done()
			defer func() {
				if p := recover(); p != nil {
					problems.Store(fmt.Sprint(p))
				}
			}()
			for i := 0; i < 40; i++ {
				name := fmt.Sprintf("%03d", (w*25+i)%100)
				e.put(fmt.Sprintf("%s-%d", name, w), fmt.Sprint(i))
				expect(e.get(fmt.Sprintf("%s-%d", name, w)) == fmt.Sprint(i), "worker %d lost %d", w, i)
			}
		}(w)
	}
	workers.Wait()
	close(stop)
	shaking.Wait()
	if p := problems.Load(); p != nil {
		fail("%v", p)
	}
}

func bank(e *env, pessimistic bool) {
	const accounts, start = 8, 100
	for i := 0; i < accounts; i++ {
		e.put(fmt.Sprintf("%03d", i*10), fmt.Sprint(start))
	}
	name := func(i int) string { return fmt.Sprintf("%03d", i*10) }
	stop := make(chan struct{})
	var shaking sync.WaitGroup
	shaking.Add(1)
	go func() {
		defer shaking.Done()
		shake(e, 11, stop)
	}()
	var workers sync.WaitGroup
	var problems atomic.Value
	var committed atomic.Int64
	for w := 0; w < 5; w++ {
		workers.Add(1)
		go func(w int) {
			defer workers.Done()
			defer func() {
				if p := recover(); p != nil {
					problems.Store(fmt.Sprint(p))
				}
			}()
			r := rand.New(rand.NewSource(int64(w)))
			for i := 0; i < 40; i++ {
				from, to := r.Intn(accounts), r.Intn(accounts)
				if from == to {
					continue
				}
				if transfer(e, pessimistic, name(from), name(to), 1+r.Intn(5)) {
					committed.Add(1)
				}
			}
		}(w)
	}
	for i := 0; i < 10; i++ {
		ts := e.now()
		sum := 0
		for a := 0; a < accounts; a++ {
			var n int
			fmt.Sscan(e.getAt(name(a), ts), &n)
			sum += n
		}
		if sum != accounts*start {
			problems.Store(fmt.Sprintf("a snapshot sums to %d", sum))
		}
	}
	workers.Wait()
	close(stop)
	shaking.Wait()
	if p := problems.Load(); p != nil {
		fail("%v", p)
	}
	sum := 0
	for a := 0; a < accounts; a++ {
		var n int
		fmt.Sscan(e.get(name(a)), &n)
		sum += n
	}
	expect(sum == accounts*start, "the end sums to %d", sum)
	expect(committed.Load() > 0, "nothing was committed")
}

func transfer(e *env, pessimistic bool, from, to string, amount int) bool {
	txn := e.begin(pessimistic)
	txn.SetEnableAsyncCommit(amount%2 == 0)
	txn.SetEnable1PC(amount%3 == 0)
	read := func(name string) (n int) {
		entry, err := txn.Get(ctx, e.key(name))
		must(err)
		fmt.Sscan(string(entry.Value), &n)
		return n
	}
	if pessimistic {
		lockCtx := kv.NewLockCtx(e.now(), 3000, time.Now())
		lockCtx.InitReturnValues(2)
		if err := txn.LockKeys(ctx, lockCtx, e.key(from), e.key(to)); err != nil {
			must(txn.Rollback())
			return false
		}
		read = func(name string) (n int) {
			fmt.Sscan(string(lockCtx.Values[string(e.key(name))].Value), &n)
			return n
		}
	}
	a, b := read(from), read(to)
	must(txn.Set(e.key(from), []byte(fmt.Sprint(a-amount))))
	must(txn.Set(e.key(to), []byte(fmt.Sprint(b+amount))))
	err := txn.Commit(ctx)
	if err != nil && tikverr.IsErrorUndetermined(err) {
		must(err)
	}
	return err == nil
}

func storeKilled(e *env) {
	e.put("a", "1", "b", "1")
	post("/kill?store=2", nil, nil)
	expect(e.get("a") == "1", "value while a store is away")
	e.put("a", "2")
	post("/start?store=2", nil, nil)
	e.put("b", "2")
	expect(e.get("a") == "2" && e.get("b") == "2", "values")
}

type fault map[string]any

func commitAnswerDropped(e *env) {
	for _, action := range []string{"drop-response", "drop-request", "duplicate"} {
		reset()
		post("/fault", fault{"cmd": "KvCommit", "n": 1, "action": action}, nil)
		e.put("a", action)
		expect(e.get("a") == action, "%s: value", action)
	}
	for _, action := range []string{"drop-response", "drop-request", "duplicate"} {
		reset()
		post("/fault", fault{"cmd": "KvPrewrite", "n": 1, "action": action}, nil)
		e.put("a", action+"-prewrite")
		expect(e.get("a") == action+"-prewrite", "%s: value", action)
	}
}

func regionErrors(e *env) {
	e.put("a", "0")
	list := regions()
	id := list[len(list)-1].ID
	injected := []map[string]any{
		{"not_leader": map[string]any{"region_id": id}},
		{"region_not_found": map[string]any{"region_id": id}},
		{"epoch_not_match": map[string]any{}},
		{"server_is_busy": map[string]any{"reason": "test", "backoff_ms": 10}},
		{"stale_command": map[string]any{}},
		{"store_not_match": map[string]any{"request_store_id": 1, "actual_store_id": 2}},
		{"max_timestamp_not_synced": map[string]any{}},
		{"read_index_not_ready": map[string]any{"reason": "test", "region_id": id}},
		{"proposal_in_merging_mode": map[string]any{"region_id": id}},
		{"region_not_initialized": map[string]any{"region_id": id}},
		{"mismatch_peer_id": map[string]any{"request_peer_id": 1, "store_peer_id": 2}},
		{"key_not_in_region": map[string]any{"region_id": id}},
		{"disk_full": map[string]any{"store_id": []int{1}, "reason": "test"}},
		{"RecoveryInProgress": map[string]any{"region_id": id}},
		{"message": "something else"},
	}
	for i, one := range injected {
		for _, cmd := range []string{"KvGet", "KvPrewrite", "KvCommit"} {
			reset()
			post("/fault", fault{"cmd": cmd, "n": 1, "action": "region-error", "error": one}, nil)
			value := fmt.Sprintf("%d-%s", i, cmd)
			e.put("a", value)
			expect(e.get("a") == value, "%v in %s: value %s", one, cmd, e.get("a"))
		}
	}
}

func gc(e *env) {
	e.put("a", "1")
	old := e.now()
	e.put("a", "2")
	leaveLocks(e, false, "b")
	advance(60000)
	target := e.now()
	_, err := e.c.GC(ctx, target)
	must(err)
	expect(e.get("a") == "2" && e.get("b") == "", "values after GC")
	_, err = e.c.GetSnapshot(old).Get(ctx, e.key("a"))
	expect(err != nil, "a read below the safe point found something")
}

func deleteRange(e *env) {
	for _, name := range []string{"a", "b", "c", "d"} {
		e.put(name, "1")
	}
	e.split("c")
	_, err := e.c.DeleteRange(ctx, e.key("b"), e.key("d"), 1)
	must(err)
	expect(e.get("a") == "1" && e.get("b") == "" && e.get("c") == "" && e.get("d") == "1", "what is left")
	must(e.c.UnsafeDestroyRange(ctx, e.key("a"), e.key("b")))
	expect(e.get("a") == "", "destroyed")
}

func apiV1Refused(e *env) {
	c, err := txnkv.NewClient([]string{*pdAddress}, txnkv.WithAPIVersion(kvrpcpb.APIVersion_V1))
	must(err)
	defer c.Close()
	txn, err := c.Begin()
	must(err)
	must(txn.Set([]byte("plain"), []byte("1")))
	err = txn.Commit(ctx)
	expect(err != nil && strings.Contains(err.Error(), "InvalidKeyMode"), "an API v1 client may write: %v", err)
}

func largeValues(e *env) {
	big := bytes.Repeat([]byte("x"), 5<<20)
	txn := e.begin(false)
	must(txn.Set(e.key("big"), big))
	must(txn.Commit(ctx))
	expect(e.get("big") == string(big), "5 MB value")
	txn = e.begin(false)
	for i := 0; i < 20; i++ {
		must(txn.Set(e.key(fmt.Sprintf("many%02d", i)), big[:1<<20]))
	}
	must(txn.Commit(ctx))
	for i := 0; i < 20; i++ {
		expect(len(e.get(fmt.Sprintf("many%02d", i))) == 1<<20, "row %d", i)
	}
}

func timestamps(e *env) {
	const workers, each = 8, 25000
	var wait sync.WaitGroup
	lists := make([][]uint64, workers)
	for w := 0; w < workers; w++ {
		wait.Add(1)
		go func(w int) {
			defer wait.Done()
			lists[w] = make([]uint64, each)
			for i := range lists[w] {
				ts, err := e.c.GetOracle().GetTimestamp(ctx, &oracle.Option{TxnScope: oracle.GlobalTxnScope})
				if err != nil {
					return
				}
				lists[w][i] = ts
			}
		}(w)
	}
	wait.Wait()
	seen := make(map[uint64]bool, workers*each)
	for w, list := range lists {
		last := uint64(0)
		for i, ts := range list {
			expect(ts > last, "worker %d: timestamp %d is not above the one before", w, i)
			expect(!seen[ts], "timestamp %d twice", ts)
			seen[ts] = true
			last = ts
		}
	}
}

func lateCommit(e *env) {
	e.put("a", "0", "b", "0")
	txn := e.begin(false)
	must(txn.Set(e.key("a"), []byte("late")))
	must(txn.Set(e.key("b"), []byte("late")))
	committer, err := transaction.TxnProbe{KVTxn: txn}.NewCommitter(1)
	must(err)
	must(committer.PrewriteAllMutations(ctx))
	advance(60000)
	expect(e.get("a") == "0", "an expired transaction's value was read")
	committer.SetCommitTS(e.now())
	err = committer.CommitMutations(ctx)
	expect(err != nil, "a transaction was committed after another had rolled it back")
	expect(e.get("a") == "0" && e.get("b") == "0", "values")
}
