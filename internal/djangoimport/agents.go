package djangoimport

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

func agentsTable() *tableSpec {
	return &tableSpec{
		name:  "ai_agents",
		needs: []string{"id", "name", "user_id"},
		wants: []string{
			"description", "agent_type", "system_prompt", "model", "temperature", "max_tokens", "available_tools",
			"status", "total_interactions", "last_used", "created_at", "updated_at",
		},
		columns: []column{
			intCol("user_id"), textCol("name"), textCol("description"), textCol("agent_type"), textCol("system_prompt"),
			textCol("model"), realCol("temperature"), intCol("max_tokens"), textCol("available_tools"), textCol("status"),
			intCol("total_interactions"), nullTimeCol("last_used"), timeCol("created_at"), timeCol("updated_at"),
		},
		identity: []string{"created_at"},
		identify: createdAt,
		convert:  convertAgent,
	}
}

func convertAgent(im *run, r *reader) (item, bool) {
	owner, ok := im.parent(r, "user_id", "users")
	if !ok {
		return item{}, false
	}
	created := r.instant("created_at", "updated_at")
	c := content{
		"user_id":            owner,
		"name":               r.text("name", ""),
		"description":        r.text("description", ""),
		"agent_type":         r.choice("agent_type", "custom", "assistant", "analyst", "optimizer", "custom"),
		"system_prompt":      r.text("system_prompt", ""),
		"model":              r.text("model", "gpt-4"),
		"temperature":        r.real("temperature", 0.7),
		"max_tokens":         r.integer("max_tokens", 2000),
		"available_tools":    r.json("available_tools", "[]"),
		"status":             r.choice("status", "active", "active", "inactive", "training"),
		"total_interactions": r.integer("total_interactions", 0),
		"last_used":          r.nullInstant("last_used"),
		"created_at":         created,
		"updated_at":         updatedAt(r, created),
	}
	if c["status"] != "active" {
		r.say(Notable, "status is inactive or training: could chat in Django, cannot in bdash until active", "")
	}
	return item{id: r.id, content: c}, true
}

func conversationsTable() *tableSpec {
	return &tableSpec{
		name:  "agent_conversations",
		needs: []string{"id", "agent_id", "user_id"},
		wants: []string{"title", "messages", "total_tokens_used", "total_cost", "created_at", "updated_at"},
		columns: []column{
			intCol("agent_id"), intCol("user_id"), textCol("title"), intCol("total_tokens_used"),
			intCol("total_cost_nanos"), timeCol("created_at"), timeCol("updated_at"),
		},
		messages: true,
		identity: []string{"created_at"},
		identify: createdAt,
		convert:  convertConversation,
	}
}

func convertConversation(im *run, r *reader) (item, bool) {
	user, ok := im.parent(r, "user_id", "users")
	if !ok {
		return item{}, false
	}
	agent, ok := im.parent(r, "agent_id", "ai_agents")
	if !ok {
		return item{}, false
	}
	created := r.instant("created_at", "updated_at")
	return item{
		id: r.id,
		content: content{
			"agent_id":          agent,
			"user_id":           user,
			"title":             r.text("title", ""),
			"total_tokens_used": r.integer("total_tokens_used", 0),
			"total_cost_nanos":  cost(r),
			"created_at":        created,
			"updated_at":        updatedAt(r, created),
		},
		messages: messages(r, created, im.opts.MessageZone),
	}, true
}

func cost(r *reader) int64 {
	v := r.required("total_cost", "stored as 0")
	if v == nil {
		return 0
	}
	n, exact, ok := parseCost(*v)
	if !ok {
		r.say(Changed, "total_cost was no amount and becomes 0", show(*v))
		return 0
	}
	if !exact {
		r.say(Changed, "total_cost is rounded to four decimals", show(*v))
	}
	return n
}

// message is one entry of a conversation.
type message struct {
	role, content string
	// payload is the entry as it was, where role, content and time do not say
	// all of it; else nil.
	payload   any
	createdAt time.Time
}

var messageRoles = []string{"user", "assistant", "system", "tool"}

// messages takes the JSON list of a conversation apart.
func messages(r *reader, created time.Time, zone *time.Location) []message {
	text := r.json("messages", "[]")
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		r.say(Changed, "messages was not a list: the conversation is taken without any", show(text))
		return nil
	}
	out := make([]message, len(list))
	before := created
	kept, unknown := 0, 0
	for i, raw := range list {
		out[i] = convertMessage(raw, before, zone)
		before = out[i].createdAt
		if out[i].payload != nil {
			kept++
		}
		if !slices.Contains(messageRoles, out[i].role) {
			unknown++
		}
	}
	if kept > 0 {
		r.say(Notable, "has messages that are more or other than role, content and time: they are kept as they were, too",
			fmt.Sprintf("%d of %d messages", kept, len(list)))
	}
	if unknown > 0 {
		r.say(Notable, "has messages of a role that no model knows: they are shown, with their role as it was",
			fmt.Sprintf("%d of %d messages", unknown, len(list)))
	}
	return out
}

// convertMessage makes a row of one entry. before is the time of the entry
// before it, for one without a time of its own.
func convertMessage(raw json.RawMessage, before time.Time, zone *time.Location) message {
	m := message{createdAt: before, payload: string(raw)}
	pairs, ok := objectPairs(raw)
	if !ok {
		m.content, _ = messageText(raw)
		return m
	}
	plain := len(pairs) == 3
	seen := map[string]bool{}
	for _, p := range pairs {
		plain = plain && !seen[p.key]
		seen[p.key] = true
		switch p.key {
		case "role":
			role, exact, isText := jsonString(p.value)
			m.role = role
			plain = plain && exact && isText
		case "content":
			var exact bool
			m.content, exact = messageText(p.value)
			plain = plain && exact
		case "timestamp":
			stamp, _, isText := jsonString(p.value)
			t, valid := parseTime(stamp, zone)
			if valid {
				m.createdAt = t
			}
			// The wire prints the time anew; one that would come out otherwise
			// needs its payload.
			plain = plain && isText && valid && isoFormat(t) == stamp
		default:
			plain = false
		}
	}
	if plain {
		m.payload = nil
	}
	return m
}

// messageText gives a JSON string's text, or the JSON of anything else. exact
// is true if the text alone tells what raw was.
func messageText(raw json.RawMessage) (s string, exact bool) {
	if s, exact, ok := jsonString(raw); ok {
		return s, exact
	}
	return string(raw), false
}
