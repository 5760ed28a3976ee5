package palette

// Contrast is the contrast ratio of WCAG 2.2 between text and what is behind
// it, from 1 to 21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio. A
// translucent bg is laid over white, then a translucent fg over that. The ratio
// is 0 when one of the colours is not Known.
func Contrast(fg, bg Color) float64 {
	if !fg.Known || !bg.Known {
		return 0
	}
	bg = bg.over(Color{R: 1, G: 1, B: 1, A: 1, Known: true})
	a, b := fg.over(bg).luminance(), bg.luminance()
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

// over lays c on an opaque ground, in gamma-encoded sRGB as browsers do.
func (c Color) over(ground Color) Color {
	mix := func(top, bottom float64) float64 { return top*c.A + bottom*(1-c.A) }
	return Color{R: mix(c.R, ground.R), G: mix(c.G, ground.G), B: mix(c.B, ground.B), A: 1, Known: true}
}

// luminance is the relative luminance of an opaque colour. WCAG 2.2 has the
// threshold of sRGB's curve right; older texts have 0.03928, which makes no
// difference at eight bits.
func (c Color) luminance() float64 {
	return 0.2126*decodeSRGB(c.R) + 0.7152*decodeSRGB(c.G) + 0.0722*decodeSRGB(c.B)
}
