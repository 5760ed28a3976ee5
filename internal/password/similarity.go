package password

import (
	"regexp"
)

// maxSimilarity is the ratio at which a password counts as similar: the default of Django's
// UserAttributeSimilarityValidator, whose steps this file follows.
const maxSimilarity = 0.7

// similarAttribute returns Django's name of the first attribute that password resembles as a whole or in one of its
// words, or "".
func similarAttribute(password string, about Attributes) string {
	attributes := []struct{ name, value string }{
		{"username", about.Username},
		{"first name", about.FirstName},
		{"last name", about.LastName},
		{"email address", about.Email},
	}
	lowered := []rune(lower(password))
	for _, a := range attributes {
		if a.value == "" {
			continue
		}
		value := lower(a.value)
		for _, part := range append(betweenWords.Split(value, -1), value) {
			part := []rune(part)
			if !muchShorter(part, lowered) && quickRatio(lowered, part) >= maxSimilarity {
				return a.name
			}
		}
	}
	return ""
}

// betweenWords is \W+ of Python's re module, where a word is made of letters and numbers of any script and underscores;
// combining marks stand between words there.
var betweenWords = regexp.MustCompile(`[^\p{L}\p{N}_]+`)

// muchShorter reports whether value is so short beside password that the ratio cannot reach a fifth. It is Django's
// exceeds_maximum_length_ratio and, as there (CVE-2021-45115), keeps a huge password from being compared with every word
// of a long attribute.
func muchShorter(value, password []rune) bool {
	bound := maxSimilarity / 2 * float64(len(password))
	return len(password) >= 10*len(value) && float64(len(value)) < bound
}

// quickRatio is quick_ratio of Python's difflib.SequenceMatcher: twice the number of characters common to both,
// whatever their order, divided by the number of all. Two empty texts are equal, hence 1.
func quickRatio(a, b []rune) float64 {
	total := len(a) + len(b)
	if total == 0 {
		return 1
	}
	left := make(map[rune]int, len(b))
	for _, r := range b {
		left[r]++
	}
	common := 0
	for _, r := range a {
		if left[r] > 0 {
			left[r]--
			common++
		}
	}
	return 2 * float64(common) / float64(total)
}
