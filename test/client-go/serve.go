package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv/transaction"
)

// command is one line on standard input; its answer is one line on standard output.
type command struct {
	// put, get, leave or bank
	Op    string   `json:"op"`
	Keys  []string `json:"keys"`
	Value string   `json:"value"`
	// What leave leaves behind: optimistic, async, primary (committed, the others still locked) or pessimistic.
	Kind      string `json:"kind"`
	Transfers int    `json:"transfers"`
}

type answer struct {
	Values    []string `json:"values,omitempty"`
	Committed int64    `json:"committed,omitempty"`
	Problem   string   `json:"problem"`
}

// serve does what another program asks for, so that two clients can work on the same keys.
func serve(e *env) {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	for input.Scan() {
		var c command
		must(json.Unmarshal(input.Bytes(), &c))
		line, err := json.Marshal(obey(e, c))
		must(err)
		fmt.Println(string(line))
	}
}

func obey(e *env, c command) (result answer) {
	defer func() {
		if p := recover(); p != nil {
			result.Problem = fmt.Sprint(p)
		}
	}()
	switch c.Op {
	case "put":
		for _, key := range c.Keys {
			e.put(key, c.Value)
		}
	case "get":
		for _, key := range c.Keys {
			result.Values = append(result.Values, e.get(key))
		}
	case "leave":
		leave(e, c)
	case "bank":
		result.Committed = transfers(e, c.Keys, c.Transfers)
	default:
		fail("no such operation: %s", c.Op)
	}
	return result
}

func leave(e *env, c command) {
	if c.Kind == "pessimistic" {
		holder := e.begin(true)
		must(e.lock(holder, 1000, c.Keys...))
		transaction.TxnProbe{KVTxn: holder}.GetCommitter().CloseTTLManager()
		return
	}
	txn := e.begin(false)
	for _, key := range c.Keys {
		must(txn.Set(e.key(key), []byte(c.Value)))
	}
	committer, err := transaction.TxnProbe{KVTxn: txn}.NewCommitter(1)
	must(err)
	if c.Kind == "async" {
		committer.SetUseAsyncCommit()
	}
	must(committer.PrewriteAllMutations(ctx))
	if c.Kind == "primary" {
		commitPrimary(e, committer)
	}
}

func commitPrimary(e *env, committer transaction.CommitterProbe) {
	ts, err := e.c.GetTimestamp(ctx)
	must(err)
	primary := committer.GetPrimaryKey()
	bo := tikv.NewBackofferWithVars(ctx, 5000, nil)
	location, err := e.c.GetRegionCache().LocateKey(bo, primary)
	must(err)
	request := tikvrpc.NewRequest(tikvrpc.CmdCommit, &kvrpcpb.CommitRequest{
		StartVersion: committer.GetStartTS(), Keys: [][]byte{primary}, CommitVersion: ts, PrimaryKey: primary,
	})
	response, err := e.c.SendReq(bo, request, location.Region, 5*time.Second)
	must(err)
	expect(response.Resp.(*kvrpcpb.CommitResponse).GetError() == nil, "commit: %v", response.Resp)
}

// transfers moves money between accounts from several goroutines, optimistically and pessimistically; the sum stays.
func transfers(e *env, accounts []string, count int) int64 {
	var workers sync.WaitGroup
	var committed atomic.Int64
	var problem atomic.Value
	for w := 0; w < 4; w++ {
		workers.Add(1)
		go func(w int) {
			defer workers.Done()
			defer func() {
				if p := recover(); p != nil {
					problem.Store(fmt.Sprint(p))
				}
			}()
			r := rand.New(rand.NewSource(int64(w)))
			for i := 0; i < count/4; i++ {
				from, to := r.Intn(len(accounts)), r.Intn(len(accounts))
				if from != to && transfer(e, w%2 == 0, accounts[from], accounts[to], 1+r.Intn(5)) {
					committed.Add(1)
				}
			}
		}(w)
	}
	workers.Wait()
	if p := problem.Load(); p != nil {
		fail("%v", p)
	}
	return committed.Load()
}
