//! Numbers of payment cards (ISO/IEC 7812).

use super::{Outcome, Subject, Verdict};

/// Issuers: the first digits, from and to, and how many digits their numbers have. Sources: ISO/IEC 7812 and
/// the issuers' pages for merchants.
const ISSUERS: [(u32, u32, &[usize], &str); 11] = [
    (4, 4, &[13, 16, 19], "visa"),
    (51, 55, &[16], "mastercard"),
    (2221, 2720, &[16], "mastercard"),
    (34, 34, &[15], "american-express"),
    (37, 37, &[15], "american-express"),
    (6011, 6011, &[16, 17, 18, 19], "discover"),
    (644, 659, &[16, 17, 18, 19], "discover"),
    (3528, 3589, &[16, 17, 18, 19], "jcb"),
    (300, 305, &[14], "diners-club"),
    (36, 36, &[14], "diners-club"),
    (62, 62, &[16, 17, 18, 19], "unionpay"),
];

/// Fewest different digits; the numbers in guides and tests have few.
const DIFFERENT: usize = 6;

/// Checks the number of a card: the prefix of an issuer with its length (`card.issuer`), and the last
/// digit by Luhn's sum (ISO/IEC 7812-1, annex B). Of random digits one in some hundred passes.
pub(super) fn run(subject: &Subject<'_>) -> Verdict {
    let digits: Vec<u8> =
        subject.value().iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte & 15).collect();
    let different = (0..10).filter(|digit| digits.contains(digit)).count();
    let Some(issuer) = issuer(&digits).filter(|_| has_sum(&digits) && different >= DIFFERENT)
    else {
        return Verdict::of(Outcome::Fail, subject);
    };
    let mut verdict = Verdict::of(Outcome::Pass, subject);
    verdict.attributes.insert("card.issuer", issuer.to_owned());
    verdict
}

fn issuer(digits: &[u8]) -> Option<&'static str> {
    let begins = |from: u32, to: u32| {
        let len = usize::try_from(from.ilog10()).unwrap_or_default().saturating_add(1);
        let head = digits.get(..len).unwrap_or_default().iter();
        let head = head.fold(0_u32, |number, digit| {
            number.saturating_mul(10).saturating_add(u32::from(*digit))
        });
        (from..=to).contains(&head)
    };
    let mut issuers = ISSUERS.iter();
    let found =
        issuers.find(|(from, to, lens, _)| begins(*from, *to) && lens.contains(&digits.len()));
    found.map(|(.., name)| *name)
}

/// Every second digit from the last but one on counts twice, its digits added.
fn has_sum(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_u32, |sum, (at, digit)| {
        let digit = u32::from(*digit);
        let twice = digit.saturating_mul(2);
        let counted = match at % 2 {
            0 => digit,
            _ if twice > 9 => twice.saturating_sub(9),
            _ => twice,
        };
        sum.saturating_add(counted)
    });
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::super::tests::whole;
    use super::*;

    /// A number of so many digits with its last one, from its first ones.
    fn number(head: &str, len: usize) -> String {
        let body: String =
            head.chars().chain("9183746520918374652".chars()).take(len.saturating_sub(1)).collect();
        (0..10)
            .map(|last| format!("{body}{last}"))
            .find(|number| has_sum(&number.bytes().map(|byte| byte & 15).collect::<Vec<_>>()))
            .unwrap()
    }

    #[test]
    fn the_sum_of_the_standard() {
        // The example that explanations of the sum show.
        assert!(has_sum(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3]));
        assert!(!has_sum(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 4]));
    }

    #[test]
    fn issuers_their_lengths_and_marks_between_digits() {
        for (head, len, issuer) in [
            ("4", 16, "visa"),
            ("53", 16, "mastercard"),
            ("2345", 16, "mastercard"),
            ("37", 15, "american-express"),
            ("6011", 16, "discover"),
            ("3530", 16, "jcb"),
            ("36", 14, "diners-club"),
        ] {
            let number = number(head, len);
            let verdict = run(&whole(number.as_bytes()));
            assert_eq!(verdict.outcome, Outcome::Pass, "{number}");
            assert_eq!(verdict.attributes["card.issuer"], issuer);
            let mut wrong = number.clone();
            let last = wrong.pop();
            wrong.push(if last == Some('0') { '1' } else { '0' });
            assert_eq!(run(&whole(wrong.as_bytes())).outcome, Outcome::Fail, "{wrong}");
        }
        let plain = number("4", 16);
        let spaced: Vec<&[u8]> = plain.as_bytes().chunks(4).collect();
        assert_eq!(run(&whole(&spaced.join(&b' '))).outcome, Outcome::Pass);
        for text in [number("9", 16), number("4", 15), "4".repeat(16)] {
            assert_eq!(run(&whole(text.as_bytes())).outcome, Outcome::Fail, "{text}");
        }
        assert_eq!(run(&whole(b"")).outcome, Outcome::Fail);
    }
}
