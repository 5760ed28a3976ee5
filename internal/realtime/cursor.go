package realtime

import (
	"strconv"
	"strings"

	"github.com/centrifugal/centrifuge"
)

// cursor is a listener's position in each of its streams: what the listener
// has received is everything up to there. Its text is the id of an event.
type cursor [streams]position

// position is the number of the last event received of one stream. The epoch
// names the stream's life: a broker that forgets begins another one.
type position struct {
	known  bool
	epoch  string
	offset uint64
}

// The streams of a listener, by the letter that stands for them in ids.
const (
	ownStream = iota
	everyoneStream
	adminsStream
	streams
)

const letters = "uam"

// maxCursor is the longest text that can be a cursor, in bytes.
const maxCursor = 300

// streamOf tells which of the listener's streams a channel is.
func streamOf(channel string) int {
	switch Channel(channel) {
	case Everyone:
		return everyoneStream
	case Admins:
		return adminsStream
	default:
		return ownStream
	}
}

// append writes the cursor: "u.<epoch>.<offset>~a.…".
func (c *cursor) append(dst []byte) []byte {
	first := true
	for i, p := range c {
		if !p.known {
			continue
		}
		if !first {
			dst = append(dst, '~')
		}
		first = false
		dst = append(dst, letters[i], '.')
		dst = append(append(dst, p.epoch...), '.')
		dst = strconv.AppendUint(dst, p.offset, 10)
	}
	return dst
}

// parseCursor reads what append wrote.
func parseCursor(text string) (c cursor, ok bool) {
	if text == "" || len(text) > maxCursor {
		return c, false
	}
	for part := range strings.SplitSeq(text, "~") {
		letter, rest, _ := strings.Cut(part, ".")
		epoch, number, found := strings.Cut(rest, ".")
		i := strings.Index(letters, letter)
		offset, err := strconv.ParseUint(number, 10, 63)
		if !found || len(letter) != 1 || i < 0 || err != nil || c[i].known || !plain(epoch) {
			return cursor{}, false
		}
		c[i] = position{known: true, epoch: epoch, offset: offset}
	}
	return c, true
}

// plain: nothing that would need escaping anywhere.
func plain(s string) bool {
	for _, b := range []byte(s) {
		if (b|0x20 < 'a' || b|0x20 > 'z') && (b < '0' || b > '9') && b != '-' && b != '_' {
			return false
		}
	}
	return true
}

// channels of a listener, in the order of the streams.
func (l Listener) channels() []Channel {
	all := []Channel{User(l.UserID), Everyone}
	if l.Admin {
		all = append(all, Admins)
	}
	return all
}

// since is where the listener's streams are to be taken up; ok is false when
// the cursor does not say.
func (c *cursor) since(l Listener) map[string]centrifuge.SubscribeRequest {
	subs := map[string]centrifuge.SubscribeRequest{}
	for i, channel := range l.channels() {
		if p := c[i]; p.known {
			subs[string(channel)] = centrifuge.SubscribeRequest{Recover: true, Epoch: p.epoch, Offset: p.offset}
		}
	}
	return subs
}
