package palette

import "math"

type (
	vector = [3]float64
	matrix = [3][3]float64
)

// The matrices are those of the sample code in CSS Color 4, section 17. XYZ is
// relative to D65 unless said otherwise.
var (
	srgbFromXYZ = matrix{
		{12831.0 / 3959, -329.0 / 214, -1974.0 / 3959},
		{-851781.0 / 878810, 1648619.0 / 878810, 36519.0 / 878810},
		{705.0 / 12673, -2585.0 / 12673, 705.0 / 667},
	}
	xyzFromP3 = matrix{
		{608311.0 / 1250200, 189793.0 / 714400, 198249.0 / 1000160},
		{35783.0 / 156275, 247089.0 / 357200, 198249.0 / 2500400},
		{0, 32229.0 / 714400, 5220557.0 / 5000800},
	}
	xyzFromA98 = matrix{
		{573536.0 / 994567, 263643.0 / 1420810, 187206.0 / 994567},
		{591459.0 / 1989134, 6239551.0 / 9945670, 374412.0 / 4972835},
		{53769.0 / 1989134, 351524.0 / 4972835, 4929758.0 / 4972835},
	}
	xyzFromRec2020 = matrix{
		{63426534.0 / 99577255, 20160776.0 / 139408157, 47086771.0 / 278816314},
		{26158966.0 / 99577255, 472592308.0 / 697040785, 8267143.0 / 139408157},
		{0, 19567812.0 / 697040785, 295819943.0 / 278816314},
	}
	d50FromProPhoto = matrix{
		{0.79776664490064230, 0.13518129740053308, 0.03134773412839220},
		{0.28807482881940130, 0.71183523424187300, 0.00008993693872564},
		{0, 0, 0.82510460251046020},
	}
	// Bradford adaptation of the white point.
	d65FromD50 = matrix{
		{0.955473421488075, -0.02309845494876471, 0.06325924320057072},
		{-0.0283697093338637, 1.0099953980813041, 0.021041441191917323},
		{0.012314014864481998, -0.020507649298898964, 1.330365926242124},
	}
	lmsFromOklab = matrix{
		{1, 0.3963377773761749, 0.2158037573099136},
		{1, -0.1055613458156586, -0.0638541728258133},
		{1, -0.0894841775298119, -1.2914855480194092},
	}
	xyzFromLMS = matrix{
		{1.2268798758459243, -0.5578149944602171, 0.2813910456659647},
		{-0.0405757452148008, 1.1122868032803170, -0.0717110580655164},
		{-0.0763729366746601, -0.4214933324022432, 1.5869240198367816},
	}
)

// spaces turn components of a predefined colour space into gamma-encoded sRGB,
// not clipped.
var spaces = map[string]func(vector) vector{
	"srgb":              func(v vector) vector { return v },
	"srgb-linear":       func(v vector) vector { return each(v, encodeSRGB) },
	"display-p3":        func(v vector) vector { return xyzToSRGB(multiply(xyzFromP3, each(v, decodeSRGB))) },
	"display-p3-linear": func(v vector) vector { return xyzToSRGB(multiply(xyzFromP3, v)) },
	"a98-rgb":           func(v vector) vector { return xyzToSRGB(multiply(xyzFromA98, each(v, decodeA98))) },
	"prophoto-rgb": func(v vector) vector {
		return xyzToSRGB(multiply(d65FromD50, multiply(d50FromProPhoto, each(v, decodeProPhoto))))
	},
	"rec2020": func(v vector) vector { return xyzToSRGB(multiply(xyzFromRec2020, each(v, decodeRec2020))) },
	"xyz":     xyzToSRGB,
	"xyz-d65": xyzToSRGB,
	"xyz-d50": func(v vector) vector { return xyzToSRGB(multiply(d65FromD50, v)) },
}

func multiply(m matrix, v vector) (out vector) {
	for i, row := range m {
		out[i] = row[0]*v[0] + row[1]*v[1] + row[2]*v[2]
	}
	return out
}

func each(v vector, f func(float64) float64) vector { return vector{f(v[0]), f(v[1]), f(v[2])} }

func xyzToSRGB(xyz vector) vector { return each(multiply(srgbFromXYZ, xyz), encodeSRGB) }

// mirrored extends a curve to negative values, as CSS does.
func mirrored(v float64, curve func(float64) float64) float64 {
	return math.Copysign(curve(math.Abs(v)), v)
}

// encodeSRGB and decodeSRGB are the curve of IEC 61966-2-1.
func encodeSRGB(v float64) float64 {
	return mirrored(v, func(v float64) float64 {
		if v > 0.0031308 {
			return 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		return 12.92 * v
	})
}

func decodeSRGB(v float64) float64 {
	return mirrored(v, func(v float64) float64 {
		if v > 0.04045 {
			return math.Pow((v+0.055)/1.055, 2.4)
		}
		return v / 12.92
	})
}

func decodeA98(v float64) float64 {
	return mirrored(v, func(v float64) float64 { return math.Pow(v, 563.0/256) })
}

func decodeProPhoto(v float64) float64 {
	return mirrored(v, func(v float64) float64 {
		if v > 16.0/512 {
			return math.Pow(v, 1.8)
		}
		return v / 16
	})
}

// decodeRec2020 is the curve of ITU-R BT.2020-2, table 4.
func decodeRec2020(v float64) float64 {
	const alpha, beta = 1.09929682680944, 0.018053968510807
	return mirrored(v, func(v float64) float64 {
		if v < beta*4.5 {
			return v / 4.5
		}
		return math.Pow((v+alpha-1)/alpha, 1/0.45)
	})
}

// labToXYZ is CIE Lab, whose white is D50.
func labToXYZ(lab vector) vector {
	const kappa, epsilon = 24389.0 / 27, 216.0 / 24389
	white := vector{0.3457 / 0.3585, 1, (1 - 0.3457 - 0.3585) / 0.3585}
	fy := (lab[0] + 16) / 116
	f := vector{fy + lab[1]/500, fy, fy - lab[2]/200}
	var xyz vector
	for i := range f {
		if cube := f[i] * f[i] * f[i]; cube > epsilon {
			xyz[i] = cube * white[i]
		} else {
			xyz[i] = (116*f[i] - 16) / kappa * white[i]
		}
	}
	return multiply(d65FromD50, xyz)
}

func oklabToXYZ(lab vector) vector {
	return multiply(xyzFromLMS, each(multiply(lmsFromOklab, lab), func(v float64) float64 { return v * v * v }))
}

// hslToRGB takes the hue in degrees and the others from 0 to 1.
func hslToRGB(h, s, l float64) vector {
	a := s * min(l, 1-l)
	channel := func(n float64) float64 {
		k := math.Mod(n+h/30, 12)
		return l - a*max(-1, min(k-3, 9-k, 1))
	}
	return vector{channel(0), channel(8), channel(4)}
}
