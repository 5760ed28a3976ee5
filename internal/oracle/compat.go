package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

//go:generate go test -run ^TestCompatDocument$ -update .

// CompatDocument writes docs/compat.md from the tables that the replay obeys.
func CompatDocument() (string, error) {
	scenarios, err := Load()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	exchanges, ai := 0, 0
	for _, s := range scenarios {
		exchanges += len(s.Exchanges)
		for _, e := range s.Exchanges {
			if e.AI() {
				ai++
			}
		}
	}
	fmt.Fprintf(&b, `# Where bdash differs from the Django backend

<!-- Written by "go generate ./internal/oracle" from the tables there. Do not edit. -->

bdash replaces a Django backend wire for wire. %d exchanges recorded from that backend are replayed against bdash by
the tests. This page lists every difference, all of them on purpose, each with its reason. Nothing else may differ: a
difference that is not asserted by the replay fails it, and so does a row of this page that no longer applies.

In expected bodies, `+"`‹text›`"+` is any text, `+"`‹text: … ›`"+` a text with that beginning, `+"`‹cost›`"+` a decimal number, `+"`‹token …›`"+` a token
with those claims, and `+"`{{alice_successor}}`"+` the refresh token that the first exchange of its scenario answered.
"Recorded, with" means the recorded body with those members replaced.

`, exchanges)
	writeGeneral(&b)
	if err := writeDeviations(&b, scenarios); err != nil {
		return "", err
	}
	writeUnseen(&b)
	fmt.Fprintf(&b, "\n## The agents' exchanges\n\n%d of the exchanges are under `/api/ai/`. They are replayed only when "+
		"asked for (`Options.WithAI`), since they need a stand-in for the model provider.\n", ai)
	return b.String(), nil
}

func writeGeneral(b *strings.Builder) {
	b.WriteString("## Everywhere\n\n| Recorded | bdash | Why |\n|---|---|---|\n")
	for _, g := range general {
		fmt.Fprintf(b, "| %s | %s | %s |\n", g.recorded, g.bdash, g.reason)
	}
	b.WriteString("\nAnswers may hold these keys besides the recorded ones:\n\n| Path | Key | Why |\n|---|---|---|\n")
	for _, e := range extraKeys {
		fmt.Fprintf(b, "| %s | `%s` | %s |\n", code(e.path), e.key, e.reason)
	}
}

func writeDeviations(b *strings.Builder, scenarios []Scenario) error {
	b.WriteString("\n## Exchange by exchange\n")
	for _, s := range scenarios {
		head := fmt.Sprintf("\n### %s\n\n| # | Exchange | Recorded | bdash | Why |\n|--:|---|---|---|---|\n", s.Name)
		for _, e := range s.Exchanges {
			_, d, err := s.Want(e.Index)
			if err != nil {
				return err
			}
			if d == nil {
				continue
			}
			fmt.Fprintf(b, "%s| %d | %s | %s | %s | %s |\n", head, e.Index, escape(e.Name), recordedCell(e, d), d.cell(), escape(d.Reason))
			head = ""
		}
	}
	b.WriteString("\nIn `06_auth_logout` the exchanges 2, 3, 4, 6 and 7 are answered as recorded once alice has signed in " +
		"again: each logout before them ended her session.\n")
	return nil
}

func writeUnseen(b *strings.Builder) {
	b.WriteString("\n## Not visible in the recording\n\n| Django | bdash | Why |\n|---|---|---|\n")
	for _, u := range unseen {
		fmt.Fprintf(b, "| %s | %s | %s |\n", u.recorded, u.bdash, u.reason)
	}
}

// recordedCell says what was recorded: of a body that is only changed in places, those places.
func recordedCell(e Exchange, d *Deviation) string {
	cell := strconv.Itoa(e.Answer.Status)
	body, err := decode(e.Answer.Body)
	switch {
	case err == nil && (d.Merge != "" || d.Rows != nil):
		cell += changedPlaces(body, d)
	case err == nil:
		cell += " " + code(clip(body))
	case strings.HasPrefix(e.Answer.Header["content-type"], "text/html") && e.Answer.Header["content-length"] != "0":
		cell += " an HTML page"
	}
	for _, name := range slices.Sorted(maps.Keys(d.Header)) {
		if value, ok := e.Answer.Header[name]; ok && e.Answer.Body != nil {
			cell += "; " + code(name+": "+value)
		}
	}
	return cell
}

func changedPlaces(body any, d *Deviation) string {
	var cell string
	if d.Merge != "" {
		over, err := decode([]byte(d.Merge))
		names, ok := over.(map[string]any)
		object, isObject := body.(map[string]any)
		if err != nil || !ok || !isObject {
			return " " + code(clip(body)) // Want has reported it
		}
		places := make(map[string]any)
		for name := range names {
			if value, ok := object[name]; ok {
				places[name] = value
			} else {
				cell += " no `" + name + "`"
			}
		}
		if len(places) > 0 {
			cell += " " + code(clip(places))
		}
	}
	if d.Rows != nil {
		cell += fmt.Sprintf(" %d rows", len(listRows(body)))
	}
	return cell
}

// cell says what bdash answers instead.
func (d Deviation) cell() string {
	if d.NotSent {
		return "not replayed"
	}
	var parts []string
	if d.Status != 0 {
		parts = append(parts, strconv.Itoa(d.Status))
	}
	switch {
	case d.Body != "":
		parts = append(parts, code(d.Body))
	case d.BodyOf != 0:
		parts = append(parts, fmt.Sprintf("the body of %d", d.BodyOf))
	}
	if d.Merge != "" {
		parts = append(parts, "recorded, with "+code(d.Merge))
	}
	if d.Rows != nil {
		ids := make([]string, 0, len(d.Rows))
		for _, row := range d.Rows {
			id := strconv.Itoa(row.ID)
			if row.Merge != "" {
				id += " with " + code(row.Merge)
			}
			ids = append(ids, id)
		}
		parts = append(parts, "the rows with the recorded ids ["+strings.Join(ids, ", ")+"]")
	}
	for _, name := range slices.Sorted(maps.Keys(d.Header)) {
		if value := d.Header[name]; value == "" {
			parts = append(parts, "no `"+name+"`")
		} else {
			parts = append(parts, code(name+": "+value))
		}
	}
	return strings.Join(parts, "; ")
}

// clip writes a recorded value for the table, shortened.
func clip(value any) string {
	const limit = 160
	text, err := encode(withoutTokens(value))
	if err != nil {
		return err.Error()
	}
	if runes := []rune(string(text)); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return string(text)
}

// withoutTokens replaces recorded tokens, which say nothing to a reader.
func withoutTokens(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, member := range v {
			out[key] = withoutTokens(member)
		}
		return out
	case string:
		if looksLikeToken.MatchString(v) {
			return "‹token›"
		}
	}
	return value
}

func code(text string) string { return "`" + escape(text) + "`" }

// escape keeps a text inside its table cell.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\u2028", " ").Replace(text)
}
