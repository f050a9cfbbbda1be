// The official Go client against a cluster that has the fake's control interface: every scenario prints one line of JSON; exit status 1 when one fails.
//
//	client-go -pd 127.0.0.1:1234 -control http://127.0.0.1:1235 [-unary] [-only text]
//
// The keyspaces "test" and "other" must exist, and three stores. With -serve it does instead what lines of JSON on standard input ask for (serve.go);
// with -bench 5 it measures its operations (bench.go), 5 s each.
package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	"github.com/pingcap/log"
	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/txnkv"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

var (
	pdAddress = flag.String("pd", "", "host:port of PD")
	control   = flag.String("control", "", "URL of the control interface")
	unary     = flag.Bool("unary", false, "unary RPCs instead of BatchCommands")
	serving   = flag.Bool("serve", false, "do what standard input asks for")
	measuring = flag.Float64("bench", 0, "seconds to measure each operation for")
	workers   = flag.Int("workers", 8, "of -bench")
	keyspace  = flag.String("keyspace", "test", "keyspace to work in")
	only      = flag.String("only", "", "scenarios whose name holds this")
)

var ctx = context.Background()

// env is what a scenario gets: a client, and a prefix of its own for keys.
type env struct {
	c      *txnkv.Client
	prefix string
}

func (e *env) key(name string) []byte { return []byte(e.prefix + name) }

type scenario struct {
	name string
	run  func(e *env)
}

// failure ends a scenario.
type failure struct{ text string }

func fail(format string, args ...any) { panic(failure{fmt.Sprintf(format, args...)}) }

func must(err error) {
	if err != nil {
		fail("unexpected error: %v\n%s", err, debug.Stack())
	}
}

func expect(ok bool, format string, args ...any) {
	if !ok {
		fail(format, args...)
	}
}

// post sends a command to the control interface and reads its answer into out.
func post(path string, body any, out any) {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		must(err)
		reader = bytes.NewReader(encoded)
	}
	response, err := http.Post(*control+path, "application/json", reader)
	must(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(err)
	expect(response.StatusCode == 200, "control %s: %d %s", path, response.StatusCode, text)
	if out != nil {
		must(json.Unmarshal(text, out))
	}
}

func counts() map[string]int {
	var log struct{ Counts map[string]int }
	post("/log", nil, &log)
	return log.Counts
}

func reset() { post("/reset", nil, nil) }

func advance(ms int) { post(fmt.Sprintf("/tso?advance_ms=%d", ms), nil, nil) }

type region struct {
	ID          uint64 `json:"id"`
	Start       string `json:"start"`
	End         string `json:"end"`
	LeaderStore uint64 `json:"leader_store"`
}

func regions() []region {
	var list []region
	post("/regions", nil, &list)
	return list
}

func newClient(keyspace string) *txnkv.Client {
	c, err := txnkv.NewClient([]string{*pdAddress}, txnkv.WithAPIVersion(kvrpcpb.APIVersion_V2), txnkv.WithKeyspace(keyspace))
	must(err)
	return c
}

func runOne(s scenario, c *txnkv.Client) (problem string) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failure:
			problem = p.text
		default:
			problem = fmt.Sprintf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	reset()
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		s.run(&env{c: c, prefix: s.name + "/"})
	}()
	select {
	case p := <-done:
		if p != nil {
			panic(p)
		}
	case <-time.After(90 * time.Second):
		fail("still running after 90 s")
	}
	return ""
}

func main() {
	flag.Parse()
	log.ReplaceGlobals(zap.NewNop(), &log.ZapProperties{Level: zap.NewAtomicLevelAt(zapcore.FatalLevel)})
	if *unary {
		config.UpdateGlobal(func(conf *config.Config) { conf.TiKVClient.MaxBatchSize = 0 })
	}
	c := newClient(*keyspace)
	if *serving {
		serve(&env{c: c})
		return
	}
	if *measuring > 0 {
		bench(&env{c: c}, *measuring, *workers)
		return
	}
	failed := 0
	for _, s := range scenarios {
		if *only != "" && !strings.Contains(s.name, *only) {
			continue
		}
		started := time.Now()
		problem := runOne(s, c)
		line, err := json.Marshal(map[string]any{"name": s.name, "ok": problem == "", "problem": problem, "ms": time.Since(started).Milliseconds()})
		must(err)
		fmt.Println(string(line))
		if problem != "" {
			failed++
		}
	}
	reset()
	if failed > 0 {
		os.Exit(1)
	}
	os.Exit(0)
}

func hexOf(key []byte) string { return hex.EncodeToString(key) }
