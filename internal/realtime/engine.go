package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// watchEvery is how often the broker is looked at, and mended.
	watchEvery = time.Second
	// positionEvery is how often the position of the local listeners of a stream
	// is compared with the broker's: it finds what Redis' PUB/SUB has dropped.
	positionEvery = 10 * time.Second
	// queueBytes bounds what waits for one listener; who is slower is cut off
	// and may take up the streams where they broke.
	queueBytes = 256 << 10
	// opRecheck tells the other instances whom to check.
	opRecheck = "recheck"
)

// connect starts the node; with Redis it fails while Redis is away.
func (h *Hub) connect() error {
	node, err := centrifuge.New(centrifuge.Config{
		Name: "bdash", LogLevel: centrifuge.LogLevelWarn, LogHandler: h.logEntry,
		ClientStaleCloseDelay: h.cfg.SignInWithin, ClientQueueMaxSize: queueBytes,
		ClientChannelPositionCheckDelay: positionEvery,
		// One question to Redis for all local listeners of a stream.
		GetChannelMediumOptions: func(string) centrifuge.ChannelMediumOptions {
			return centrifuge.ChannelMediumOptions{SharedPositionSync: h.cfg.Redis != ""}
		},
		Metrics: centrifuge.MetricsConfig{RegistererGatherer: prometheus.NewRegistry()}, // bdash has its own
	})
	if err != nil {
		return err
	}
	if h.cfg.Redis != "" {
		if err := useRedis(node, h.cfg); err != nil {
			return err
		}
	}
	node.OnConnecting(h.onConnecting)
	node.OnConnect(h.onConnect)
	node.OnTransportWrite(h.onWrite)
	node.OnNotification(func(e centrifuge.NotificationEvent) {
		if id, err := strconv.ParseInt(string(e.Data), 10, 64); err == nil && e.Op == opRecheck {
			h.checks.user(id)
		}
	})
	if err := node.Run(); err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), h.cfg.RedisTimeout)
		defer cancel()
		return errors.Join(err, node.Shutdown(ctx))
	}
	h.live.Store(&engine{node: node, native: nativeHandler(node)})
	h.away.Store(false)
	return nil
}

func useRedis(node *centrifuge.Node, cfg Config) error {
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: cfg.Redis, ConnectTimeout: cfg.RedisTimeout, IOTimeout: cfg.RedisTimeout})
	if err != nil {
		return err
	}
	shards := []*centrifuge.RedisShard{shard}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Prefix: cfg.Prefix + "events", Shards: shards})
	if err != nil {
		shard.Close()
		return err
	}
	node.SetBroker(broker)
	node.SetController(broker)
	online, err := centrifuge.NewRedisPresenceManager(node, centrifuge.RedisPresenceManagerConfig{Prefix: cfg.Prefix + "online", Shards: shards})
	if err != nil {
		shard.Close()
		return err
	}
	node.SetPresenceManager(online)
	return nil
}

func (h *Hub) logEntry(e centrifuge.LogEntry) {
	level := slog.LevelWarn
	if e.Level == centrifuge.LogLevelError {
		// What centrifuge calls an error is mostly Redis that is away, which the
		// hub tells of by itself.
		level = slog.LevelDebug
	}
	h.log.Log(context.Background(), level, "events: "+e.Message, "fields", e.Fields) //nolint:sloglint // centrifuge's own text
}

// watch notices that Redis was away or has forgotten everything, has the
// listeners come back then, and mends the streams that lack events.
func (h *Hub) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	epoch := ""
	for {
		select {
		case <-tick.C:
			epoch = h.look(epoch)
		case <-h.closing:
			return
		}
	}
}

// look gives the epoch of the stream that everybody has.
func (h *Hub) look(epoch string) string {
	e := h.live.Load()
	if e == nil {
		if h.connect() == nil {
			h.log.Info("events reach redis")
		}
		return epoch
	}
	if h.cfg.Redis == "" {
		h.mend(e)
		return epoch
	}
	top, err := e.node.History(string(Everyone), centrifuge.WithLimit(0))
	if err != nil {
		if !h.away.Swap(true) {
			h.log.Warn("events wait for redis", "error", err)
		}
		return epoch
	}
	back := h.away.Swap(false)
	if back {
		h.log.Info("events reach redis again")
	}
	if back || epoch != "" && epoch != top.Epoch {
		// What was published meanwhile may not have come through: those who come
		// back with their last id get it, or a reset.
		h.disconnectAll(centrifuge.DisconnectInsufficientState)
		h.checks.everyone()
	}
	h.mend(e)
	return top.Epoch
}

// onConnecting lets a client in: the doors have put its arrival into the
// context.
func (h *Hub) onConnecting(ctx context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
	a, ok := ctx.Value(arrivalKey{}).(*arrival)
	if !ok {
		return centrifuge.ConnectReply{}, centrifuge.DisconnectServerError
	}
	if a.visitor.Who == nil {
		if err := a.signIn(ctx, e.Token); err != nil {
			return centrifuge.ConnectReply{}, err
		}
	}
	who := *a.visitor.Who
	if err := h.admit(a, who); err != nil {
		return centrifuge.ConnectReply{}, centrifuge.DisconnectConnectionLimit
	}
	subs := make(map[string]centrifuge.SubscribeOptions, streams)
	for _, channel := range who.channels() {
		subs[string(channel)] = centrifuge.SubscribeOptions{EnableRecovery: true, EnablePositioning: true}
	}
	// Presence is kept in the stream that every listener has.
	everyone := subs[string(Everyone)]
	everyone.EmitPresence = true
	everyone.ChannelInfo, _ = json.Marshal(presentAt{Node: h.live.Load().node.ID(), Since: time.Now().UnixMilli()})
	subs[string(Everyone)] = everyone
	return centrifuge.ConnectReply{
		Credentials: &centrifuge.Credentials{UserID: strconv.FormatInt(who.UserID, 10)}, Subscriptions: subs,
	}, nil
}

// onConnect keeps the client among the listeners until it goes.
func (h *Hub) onConnect(client *centrifuge.Client) {
	a, ok := client.Context().Value(arrivalKey{}).(*arrival)
	if !ok {
		return
	}
	c := &listening{who: *a.visitor.Who, door: a.door, client: client}
	client.OnDisconnect(func(e centrifuge.DisconnectEvent) {
		if e.Code == centrifuge.DisconnectSlow.Code {
			h.stats.cutOff.Add(1)
		}
		if h.listeners.remove(c) {
			h.presence.gone(c.who.UserID)
		}
	})
	h.listeners.add(c)
	h.presence.come(c.who.UserID)
	// What let it in may have ended while it came in.
	h.checks.user(c.who.UserID)
}

// onWrite counts what goes out.
func (h *Hub) onWrite(_ *centrifuge.Client, e centrifuge.TransportWriteEvent) bool {
	if e.FrameType == protocol.FrameTypePushPublication {
		h.stats.delivered.Add(1)
	}
	return true
}
