package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
)

const benchRows = 10000

func benchKey(i int) []byte { return []byte(fmt.Sprintf("bench/%08d", i)) }

// operations are what `npm run bench -- tikv` has both clients do, by name.
var operations = []struct {
	name string
	run  func(e *env, r *rand.Rand, next *atomic.Int64)
}{
	{"point read", func(e *env, r *rand.Rand, _ *atomic.Int64) {
		_, err := e.c.GetSnapshot(math.MaxUint64).Get(ctx, benchKey(r.Intn(benchRows)))
		must(err)
	}},
	{"read of 20 keys", func(e *env, r *rand.Rand, _ *atomic.Int64) {
		txn := e.begin(false)
		keys := make([][]byte, 20)
		for i := range keys {
			keys[i] = benchKey(r.Intn(benchRows))
		}
		_, err := txn.BatchGet(ctx, keys)
		must(err)
		must(txn.Rollback())
	}},
	{"scan of 100 rows", func(e *env, r *rand.Rand, _ *atomic.Int64) {
		txn := e.begin(false)
		start := r.Intn(benchRows - 100)
		rows, err := txn.Iter(benchKey(start), benchKey(start+100))
		must(err)
		for rows.Valid() {
			must(rows.Next())
		}
		rows.Close()
		must(txn.Rollback())
	}},
	{"insert of one row", func(e *env, _ *rand.Rand, next *atomic.Int64) {
		txn := onePhase(e, false)
		must(txn.Set([]byte(fmt.Sprintf("bench-go/%08d", next.Add(1))), []byte("some value of a row")))
		must(txn.Commit(ctx))
	}},
	{"lock, write and commit two rows", func(e *env, r *rand.Rand, _ *atomic.Int64) {
		txn := onePhase(e, true)
		a := r.Intn(benchRows - 1)
		for _, key := range [][]byte{benchKey(a), benchKey(a + 1)} {
			for {
				lockCtx := kv.NewLockCtx(e.now(), kv.LockAlwaysWait, time.Now())
				lockCtx.InitReturnValues(1)
				if txn.LockKeys(ctx, lockCtx, key) == nil {
					break
				}
			}
			must(txn.Set(key, []byte("some other value of a row")))
		}
		must(txn.Commit(ctx))
	}},
}

func onePhase(e *env, pessimistic bool) *transaction.KVTxn {
	txn := e.begin(pessimistic)
	txn.SetEnable1PC(true)
	txn.SetEnableAsyncCommit(true)
	return txn
}

// cpuMicros is the CPU time this process has used.
func cpuMicros() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	micros := func(t syscall.Timeval) float64 { return float64(t.Sec)*1e6 + float64(t.Usec) }
	return micros(usage.Utime) + micros(usage.Stime)
}

// bench prints one line of JSON per operation: how many a second.
func bench(e *env, seconds float64, workers int) {
	for _, operation := range operations {
		var done, next atomic.Int64
		cpu := cpuMicros()
		until := time.Now().Add(time.Duration(seconds * float64(time.Second)))
		started := time.Now()
		var group sync.WaitGroup
		for w := 0; w < workers; w++ {
			group.Add(1)
			go func(w int) {
				defer group.Done()
				r := rand.New(rand.NewSource(int64(w)))
				for time.Now().Before(until) {
					operation.run(e, r, &next)
					done.Add(1)
				}
			}(w)
		}
		group.Wait()
		line, err := json.Marshal(map[string]any{"name": operation.name, "perSecond": float64(done.Load()) / time.Since(started).Seconds(),
			"cpuMicros": (cpuMicros() - cpu) / float64(done.Load())})
		must(err)
		fmt.Println(string(line))
	}
}
