//! Logarithm, exponential and the normal quantile from the four basic operations and the square
//! root alone.
//!
//! IEEE 754 defines the result of each of those to the last bit, and Rust neither fuses nor
//! reorders them, so the same draw gives the same latency on every platform. A platform's `libm`
//! gives no such guarantee.

const LN_2: f64 = std::f64::consts::LN_2;

/// The natural logarithm of a positive, normal number; relative error below 1e-14.
///
/// `x = m · 2ᵉ` with `m` in `[√½, √2)`, then `ln m = 2 artanh((m - 1) / (m + 1))` by its series.
pub(crate) fn ln(x: f64) -> f64 {
    debug_assert!(x.is_normal() && x > 0.0, "ln of {x}");
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    // |ratio| ≤ 0.172, so the 11th term is below 1e-17 of the first.
    let series = (0..11).rev().fold(0.0, |sum, n| sum * square + 1.0 / f64::from(2 * n + 1));
    exponent as f64 * LN_2 + 2.0 * ratio * series
}

/// The exponential, saturating outside `[-700, 700]`; relative error below 1e-13.
pub(crate) fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let powers = (x / LN_2 + if x < 0.0 { -0.5 } else { 0.5 }) as i64;
    let rest = x - powers as f64 * LN_2;
    // |rest| ≤ 0.35, so the term of the 15th power is below 1e-18. The even and the odd terms are two sums
    // without a data dependency between them.
    const EVEN: [f64; 8] = reciprocals_of_factorials(0);
    const ODD: [f64; 7] = reciprocals_of_factorials(1);
    let square = rest * rest;
    let sum = |terms: &[f64]| terms.iter().rev().fold(0.0, |sum, term| sum * square + term);
    (sum(&EVEN) + rest * sum(&ODD)) * f64::from_bits(((powers + 1023) as u64) << 52)
}

/// `1/n!` for every other `n` from the first on.
const fn reciprocals_of_factorials<const N: usize>(first: usize) -> [f64; N] {
    let (mut terms, mut factorial, mut n) = ([0.0; N], 1.0, 0);
    while n < first + 2 * N {
        if n > 0 {
            factorial *= n as f64;
        }
        if n >= first && (n - first).is_multiple_of(2) {
            terms[(n - first) / 2] = 1.0 / factorial;
        }
        n += 1;
    }
    terms
}

/// The standard normal quantile by P. J. Acklam's rational approximation (2003); absolute error
/// below 2e-8 over the range of `p` that 52-bit draws reach.
#[expect(clippy::excessive_precision, reason = "the coefficients as published")]
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e+01,
        2.209460984245205e+02,
        -2.759285104469687e+02,
        1.383577518672690e+02,
        -3.066479806614716e+01,
        2.506628277459239e+00,
    ];
    const B: [f64; 6] = [
        -5.447609879822406e+01,
        1.615858368580409e+02,
        -1.556989798598866e+02,
        6.680131188771972e+01,
        -1.328068155288572e+01,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838e+00,
        -2.549732539343734e+00,
        4.374664141464968e+00,
        2.938163982698783e+00,
    ];
    const D: [f64; 5] =
        [7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00, 1.0];
    const P_LOW: f64 = 0.02425;
    let horner = |terms: &[f64], x: f64| terms.iter().fold(0.0, |sum, term| sum * x + term);
    if p < P_LOW {
        let q = (-2.0 * ln(p)).sqrt();
        horner(&C, q) / horner(&D, q)
    } else if p > 1.0 - P_LOW {
        -normal_quantile(1.0 - p)
    } else {
        let q = p - 0.5;
        horner(&A, q * q) * q / horner(&B, q * q)
    }
}

/// Returns a draw as a number strictly between 0 and 1.
pub(crate) fn unit(draw: u64) -> f64 {
    ((draw >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// Returns a second draw from a first one (the output function of SplitMix64, Steele and others
/// 2014).
pub(crate) fn split(draw: u64) -> u64 {
    let mut z = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_and_exp_agree_with_the_standard_library() {
        for step in 1..20_000 {
            let x = f64::from(step) * 0.037;
            assert!((ln(x) - x.ln()).abs() <= 1e-14 * x.ln().abs().max(1.0), "ln {x}");
            let y = (f64::from(step) - 10_000.0) * 0.0031;
            assert!((exp(y) / y.exp() - 1.0).abs() < 1e-13, "exp {y}");
        }
    }

    #[test]
    fn normal_quantile_matches_published_tables() {
        // Two-sided 95 %, 99 % and 99.9 % points, from any statistics table.
        for (p, z) in
            [(0.5, 0.0), (0.975, 1.959964), (0.995, 2.575829), (0.9995, 3.290527), (0.025, -1.959964)]
        {
            assert!((normal_quantile(p) - z).abs() < 1e-6, "{p}: {}", normal_quantile(p));
        }
    }

    #[test]
    fn the_smallest_and_largest_draw_are_inside_the_unit_interval() {
        assert!(unit(0) > 0.0);
        assert!(unit(u64::MAX) < 1.0);
    }
}
