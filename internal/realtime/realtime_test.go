package realtime_test

import (
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bdash/bdash/internal/cache/cachetest"
	"github.com/bdash/bdash/internal/realtime"
)

var doors = []string{"sse", "ws"}

func TestEventsGoToTheirListeners(t *testing.T) {
	t.Parallel()
	each(t, realtime.Config{}, func(t *testing.T, w *world) {
		for _, door := range doors {
			one, two, admin := w.dial(t, door, "1", ""), w.dial(t, door, "2", ""), w.dial(t, door, "3 admin", "")
			for i, c := range []*client{one, two, admin} {
				if e := c.next(realtime.Ready); e.Data["user_id"] != float64(i+1) || e.Data["resumed"] != false || e.ID == "" {
					t.Fatalf("%s: first event %+v", door, e)
				}
			}
			w.say(realtime.User(1), 1)
			one.hear(1)
			w.say(realtime.Everyone, 2)
			for _, c := range []*client{one, two} {
				e := c.next("test:number")
				if e.Data["n"] != 2.0 || e.Origin == nil || *e.Origin != "tab-1" {
					t.Errorf("%s: %+v, want number 2 of tab-1", door, e)
				}
			}
			for _, c := range []*client{one, two, admin} {
				c.close()
				c.end()
			}
		}
	})
}

// A client that comes back at random hears each event once, in its order.
func TestResume(t *testing.T) {
	t.Parallel()
	each(t, realtime.Config{}, func(t *testing.T, w *world) {
		for _, door := range doors {
			const events = 600
			id, visits := w.dialOnce(t, door)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range events {
					w.say(realtime.User(7), i)
					if i%7 == 0 {
						w.say(realtime.Everyone, 10_000+i)
					}
					time.Sleep(rand.N(2 * time.Millisecond)) //nolint:forbidigo // the pace of the publisher
				}
			}()
			var own, all []int
			for len(own) < events {
				visits++
				c := w.dial(t, door, "7", id)
				first := c.next(realtime.Ready)
				if first.Data["resumed"] != true {
					t.Fatalf("%s: visit %d is not resumed: %+v", door, visits, first)
				}
				for range 1 + rand.IntN(2*events/50) {
					if len(own) == events {
						break
					}
					e := c.next("test:number")
					id = e.ID
					if n := int(e.Data["n"].(float64)); n >= 10_000 {
						all = append(all, n-10_000)
					} else {
						own = append(own, n)
					}
				}
				c.close()
				c.end()
			}
			<-done
			for i, n := range own {
				if n != i {
					t.Fatalf("%s: event %d of the own stream is %d", door, i, n)
				}
			}
			if !slices.IsSorted(all) || len(slices.Compact(all)) != len(all) {
				t.Errorf("%s: events of everyone's stream: %v", door, all)
			}
			if visits < 20 {
				t.Errorf("%s: only %d visits", door, visits)
			}
		}
	})
}

// dialOnce gives the id of a first visit.
func (w *world) dialOnce(t *testing.T, door string) (id string, visits int) {
	t.Helper()
	c := w.dial(t, door, "7", "")
	id = c.next(realtime.Ready).ID
	c.close()
	c.end()
	return id, 1
}

// Who cannot be given what was missed is told to load anew, once, and goes on
// from there.
func TestReset(t *testing.T) {
	t.Parallel()
	each(t, realtime.Config{}, func(t *testing.T, w *world) {
		for _, door := range doors {
			for _, since := range []string{"rubbish", "u.zzzz.5~a.zzzz.9", strings.Repeat("u", 1000), "u..0~u..0"} {
				c := w.dial(t, door, "1", since)
				if e := c.next(realtime.Ready); e.Data["resumed"] != false {
					t.Errorf("%s: since %q: %+v", door, since, e)
				}
				id := c.next(realtime.Reset).ID
				w.say(realtime.User(1), 5)
				c.hear(5)
				c.close()
				again := w.dial(t, door, "1", id)
				again.next(realtime.Ready)
				again.hear(5)
				again.close()
			}
		}
	})
}

// Listeners go when what let them in has ended; they are told.
func TestDismissal(t *testing.T) {
	t.Parallel()
	each(t, realtime.Config{}, func(t *testing.T, w *world) {
		for _, door := range doors {
			w.judge(1, realtime.Stay, nil)
			c, other := w.dial(t, door, "1", ""), w.dial(t, door, "2", "")
			c.next(realtime.Ready)
			other.next(realtime.Ready)
			w.judge(1, realtime.Dismiss, nil)
			w.Recheck(1)
			c.next(realtime.Ended)
			c.end()
			if door == "ws" && c.code != realtime.CloseDismissed {
				t.Errorf("closed with %d, want %d", c.code, realtime.CloseDismissed)
			}
			w.say(realtime.User(2), 1)
			other.hear(1)

			// What ended while the listener came in is noticed as well.
			late := w.dial(t, door, "1", "")
			late.next(realtime.Ready)
			late.next(realtime.Ended)
			late.end()

			w.judge(2, realtime.Return, nil)
			w.Recheck(2)
			other.end()
			if door == "ws" && other.code != websocket.CloseServiceRestart {
				t.Errorf("closed with %d, want %d", other.code, websocket.CloseServiceRestart)
			}
			w.judge(2, realtime.Stay, nil)
		}
	})
}

// A check that fails is made again; the safety net finds what nobody told.
func TestCheckIsRepeated(t *testing.T) {
	t.Parallel()
	w := open(t, realtime.Config{CheckEvery: 50 * time.Millisecond})
	c := w.dial(t, "ws", "1", "")
	c.next(realtime.Ready)
	w.judge(1, realtime.Dismiss, errors.New("the database is away"))
	w.Recheck(1)
	w.say(realtime.User(1), 1)
	c.hear(1)
	w.judge(1, realtime.Dismiss, nil)
	c.next(realtime.Ended)
	c.end()
}

func TestFirstMessage(t *testing.T) {
	t.Parallel()
	w := open(t, realtime.Config{SignInWithin: 200 * time.Millisecond, PerAddress: 2})
	dial := func() *websocket.Conn {
		conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(w.url, "http")+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	closedWith := func(conn *websocket.Conn, want int) {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		_, text, err := conn.ReadMessage()
		if ce, ok := errors.AsType[*websocket.CloseError](err); !ok || ce.Code != want {
			t.Errorf("read %q %v, want to be closed with %d", text, err, want)
		}
	}
	for _, message := range []string{`{"type":"auth","token":"x"}`, `{"type":"auth"}`, `{"token":"1"}`, `rubbish`, `[]`} {
		conn := dial()
		if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			t.Fatal(err)
		}
		closedWith(conn, realtime.CloseUnauthorized)
	}
	silent, silentToo := dial(), dial()
	if _, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(w.url, "http")+"/ws", nil); err == nil || res == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third socket that has not signed in: %v, want 429", res)
	}
	w.say(realtime.Everyone, 1) // not for strangers
	closedWith(silent, realtime.CloseTimeout)
	closedWith(silentToo, realtime.CloseTimeout)

	conn := dial()
	if err := conn.WriteJSON(map[string]string{"type": "auth", "token": "1"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{realtime.Ready, "test:number"} {
		var e event
		if err := conn.ReadJSON(&e); err != nil || e.Type != want {
			t.Fatalf("read %+v %v, want %s", e, err, want)
		}
		w.say(realtime.User(1), 1)
	}
	// The places of those who have signed in are free for others.
	dial()
	dial()
}

func TestDrain(t *testing.T) {
	t.Parallel()
	each(t, realtime.Config{}, func(t *testing.T, w *world) {
		ws, sse := w.dial(t, "ws", "1", ""), w.dial(t, "sse", "1", "")
		ws.next(realtime.Ready)
		sse.next(realtime.Ready)
		w.Drain()
		ws.end()
		sse.end()
		if ws.code != websocket.CloseServiceRestart {
			t.Errorf("socket closed with %d, want %d", ws.code, websocket.CloseServiceRestart)
		}
		// An EventSource must be told to come back, not that there is an error.
		w.dial(t, "sse", "1", "").end()
	})
}

func TestTooManyOfOneUser(t *testing.T) {
	t.Parallel()
	w := open(t, realtime.Config{PerUser: 2})
	for range 2 {
		w.dial(t, "ws", "1", "").next(realtime.Ready)
	}
	_, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(w.url, "http")+"/ws?as=1", nil)
	if err == nil || res == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("third socket of a user: %v, want 429", res)
	}
	w.dial(t, "ws", "2", "").next(realtime.Ready)
}

func TestPresence(t *testing.T) {
	t.Parallel()
	each(t, realtime.Config{Linger: 300 * time.Millisecond}, func(t *testing.T, w *world) {
		admin := w.dial(t, "ws", "1 admin", "")
		admin.next(realtime.Ready)
		expect := func(id int, online bool) {
			t.Helper()
			if e := admin.next(realtime.Online); e.Data["user_id"] != float64(id) || e.Data["online"] != online {
				t.Errorf("presence %+v, want user %d online %t", e, id, online)
			}
		}
		expect(1, true)
		user := w.dial(t, "sse", "2", "")
		user.next(realtime.Ready)
		expect(2, true)
		if ids, err := w.Online(t.Context()); err != nil || fmt.Sprint(ids) != "[1 2]" {
			t.Errorf("Online() = %v, %v, want 1 and 2", ids, err)
		}
		second := w.dial(t, "ws", "2", "")
		second.next(realtime.Ready)
		user.close()
		user.end()
		second.close()
		// Coming back at once is no coming and going.
		third := w.dial(t, "ws", "2", "")
		third.next(realtime.Ready)
		third.close()
		expect(2, false)
	})
}

// Two hubs on one Redis are one; Redis that is started anew has forgotten
// everything, and the listeners learn that.
func TestRedisRestart(t *testing.T) {
	t.Parallel()
	server := cachetest.NewServer(t)
	server.Start(t)
	cfg := realtime.Config{Redis: server.URL(), Prefix: "test:"}
	a, b := open(t, cfg), open(t, cfg)
	ids := map[string]string{}
	var clients []*client
	for _, door := range doors {
		c := b.dial(t, door, "1", "")
		c.next(realtime.Ready)
		clients = append(clients, c)
	}
	a.say(realtime.User(1), 1)
	for i, c := range clients {
		ids[doors[i]] = c.hear(1)
	}
	server.Stop(t)
	a.say(realtime.User(1), 2) // lost
	server.Start(t)
	for _, c := range clients {
		c.end()
	}
	for _, door := range doors {
		c := b.dialPatiently(t, door, "1", ids[door])
		c.next(realtime.Reset)
		a.sayUntilHeard(t, c)
	}
}

// dialPatiently tries until the hub has Redis again and lets the client in.
func (w *world) dialPatiently(t *testing.T, door, as, since string) *client {
	t.Helper()
	for began := time.Now(); time.Since(began) < patience; {
		res, err := web.Get(w.url + "/ws?as=" + as) // a probe: 400 when the door is open
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusServiceUnavailable {
			continue
		}
		c := w.dial(t, door, as, since)
		select {
		case e := <-c.events:
			if e.Type != realtime.Ready {
				t.Fatalf("first event %+v, want %s", e, realtime.Ready)
			}
			return c
		case <-c.ended:
		case <-time.After(patience):
			t.Fatal("nothing is heard")
		}
	}
	t.Fatal("the hub does not find redis again")
	return nil
}

// sayUntilHeard: the other hub may reach Redis later than the client's.
func (w *world) sayUntilHeard(t *testing.T, c *client) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		select {
		case e := <-c.events:
			if e.Type == "test:number" {
				return
			}
		case <-tick.C:
			w.say(realtime.User(1), 3)
		case <-deadline:
			t.Fatal("nothing is heard after the restart")
		}
	}
}

// 500 clients hear every event once, in its order.
func TestCrowd(t *testing.T) {
	t.Parallel()
	each(t, realtime.Config{PerUser: 500}, func(t *testing.T, w *world) {
		const clients, events = 500, 20
		crowd := make([]*client, clients)
		for i := range crowd {
			crowd[i] = w.dial(t, doors[i%2], fmt.Sprint(i%10), "")
			crowd[i].next(realtime.Ready)
		}
		numbers := make([]int, events)
		for i := range numbers {
			numbers[i] = i
		}
		w.say(realtime.Everyone, numbers...)
		for _, c := range crowd {
			c.hear(numbers...)
		}
		// Administrators were told of the ten users, too: there are none here.
		if got := w.Stats(); got.Published < events || got.Delivered != clients*events || got.Dropped != 0 || got.Open["sse"] != clients/2 || got.Open["websocket"] != clients/2 {
			t.Errorf("Stats() = %+v", got)
		}
	})
}

// A client that changes the instance each time misses nothing.
func TestResumeElsewhere(t *testing.T) {
	t.Parallel()
	cfg := realtime.Config{Redis: cachetest.URL(t), Prefix: "test:" + cryptorand.Text() + ":"}
	hubs := []*world{open(t, cfg), open(t, cfg)}
	id, next := "", 0
	for visit := range 50 {
		c := hubs[visit%2].dial(t, doors[visit/2%2], "7", id)
		first := c.next(realtime.Ready)
		if visit == 0 {
			if first.Data["resumed"] != false {
				t.Fatalf("first event %+v", first)
			}
		} else {
			c.hear(next-2, next-1) // published while it was away
		}
		hubs[rand.IntN(2)].say(realtime.User(7), next)
		id = c.hear(next)
		next++
		c.close()
		c.end()
		hubs[rand.IntN(2)].say(realtime.User(7), next, next+1)
		next += 2
		settle(t, hubs, uint64(next))
	}
}

// settle waits until the hubs have published that many events: two hubs that
// publish at the same time are in no order.
func settle(t *testing.T, hubs []*world, want uint64) {
	t.Helper()
	if !cachetest.Eventually(t, func() bool {
		return hubs[0].Stats().Published+hubs[1].Stats().Published == want
	}) {
		t.Fatalf("fewer than %d events were published", want)
	}
}
