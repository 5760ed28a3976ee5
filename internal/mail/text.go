package mail

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
)

//go:embed templates
var files embed.FS

// languages are those with texts, and the direction of their script.
var languages = map[string]string{"en": "ltr", "ar": "rtl"}

// language finds the texts for a tag such as "ar-EG"; English for the rest.
func language(locale string) string {
	base, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(locale, "_", "-")), "-")
	if _, ok := languages[base]; ok {
		return base
	}
	return "en"
}

// isolate keeps a value that may run the other way, such as a date, from being
// torn apart in right-to-left text: first strong isolate, pop isolate
// (Unicode annex 9).
func isolate(lang, value string) string {
	if languages[lang] != "rtl" || value == "" {
		return value
	}
	return "\u2068" + value + "\u2069"
}

// text is one mail in one language. Its words are written once, as named
// blocks; two layouts arrange them as plain text and as HTML.
type text struct {
	plain *texttemplate.Template
	html  *htmltemplate.Template
}

// view is what templates see.
type view struct {
	Site, Lang, Dir, Link, ExpiresAt, ChangedAt string
}

func loadTexts() (map[string]map[Template]text, error) {
	texts := map[string]map[Template]text{}
	for lang := range languages {
		texts[lang] = map[Template]text{}
		for name := range needs {
			words := "templates/" + lang + "/" + string(name) + ".tmpl"
			common := "templates/" + lang + "/common.tmpl"
			plain, err := texttemplate.New("layout.txt").Option("missingkey=error").
				ParseFS(files, "templates/layout.txt", common, words)
			if err != nil {
				return nil, fmt.Errorf("mail: %w", err)
			}
			html, err := htmltemplate.New("layout.html").Option("missingkey=error").
				ParseFS(files, "templates/layout.html", common, words)
			if err != nil {
				return nil, fmt.Errorf("mail: %w", err)
			}
			texts[lang][name] = text{plain: plain, html: html}
		}
	}
	return texts, nil
}

func (t text) render(v view) (Message, error) {
	var subject, plain, html strings.Builder
	if err := t.plain.ExecuteTemplate(&subject, "subject", v); err != nil {
		return Message{}, err
	}
	if err := t.plain.Execute(&plain, v); err != nil {
		return Message{}, err
	}
	if err := t.html.Execute(&html, v); err != nil {
		return Message{}, err
	}
	return Message{Subject: subject.String(), Text: plain.String(), HTML: html.String()}, nil
}
