//! Classes of sensitive content, which law or custom protects more than other health data, and the
//! security labels by which records name them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What stands in an answer for content that the caller may not see, whatever its class.
pub const PROTECTED: &str = "other protected information";

/// A class of sensitive content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensitiveClass {
    /// Use of alcohol and drugs and its treatment (42 CFR Part 2; HL7 ETH, SUD).
    SubstanceUse,
    /// HIV and AIDS, tests and treatment included (HL7 HIV).
    Hiv,
    /// Mental health and psychiatric care (HL7 MH, PSY).
    MentalHealth,
    /// Sexual and reproductive health (HL7 SEX).
    Reproductive,
    /// What a label restricts without a class of its own here: confidentiality R or V, violence,
    /// genetics and others.
    Restricted,
}

impl SensitiveClass {
    /// All classes.
    pub const ALL: [SensitiveClass; 5] = [
        SensitiveClass::SubstanceUse,
        SensitiveClass::Hiv,
        SensitiveClass::MentalHealth,
        SensitiveClass::Reproductive,
        SensitiveClass::Restricted,
    ];

    /// Its name in concept and policy files.
    pub fn name(self) -> &'static str {
        match self {
            SensitiveClass::SubstanceUse => "substance_use",
            SensitiveClass::Hiv => "hiv",
            SensitiveClass::MentalHealth => "mental_health",
            SensitiveClass::Reproductive => "reproductive",
            SensitiveClass::Restricted => "restricted",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for SensitiveClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of sensitive classes: those that something is of, or those that a caller may see.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(from = "Vec<SensitiveClass>", into = "Vec<SensitiveClass>")]
pub struct Classes(u8);

impl Classes {
    /// No class: what everybody may see, or somebody who may see nothing sensitive.
    pub const NONE: Classes = Classes(0);
    /// All classes: somebody who may see everything.
    pub const ALL: Classes = Classes(
        SensitiveClass::SubstanceUse.bit()
            | SensitiveClass::Hiv.bit()
            | SensitiveClass::MentalHealth.bit()
            | SensitiveClass::Reproductive.bit()
            | SensitiveClass::Restricted.bit(),
    );

    /// One class alone.
    pub const fn of(class: SensitiveClass) -> Classes {
        Classes(class.bit())
    }

    /// The classes of both.
    #[must_use]
    pub const fn and(self, other: Classes) -> Classes {
        Classes(self.0 | other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `class` is one of them.
    pub const fn holds(self, class: SensitiveClass) -> bool {
        self.0 & class.bit() != 0
    }

    /// Whether somebody who may see `allowed` may see what is of these classes: each of them must be
    /// allowed.
    pub const fn are_within(self, allowed: Classes) -> bool {
        self.0 & !allowed.0 == 0
    }

    /// The classes, in the order of `SensitiveClass::ALL`.
    pub fn iter(self) -> impl Iterator<Item = SensitiveClass> {
        SensitiveClass::ALL.into_iter().filter(move |class| self.holds(*class))
    }

    /// The classes of a security label, by its code in HL7 v3-ActCode (the value set
    /// ActInformationSensitivityPolicy) or v3-Confidentiality, in either case. Other codes, such as
    /// obligations and purposes of use, make nothing sensitive.
    ///
    /// Source: HL7 Terminology (THO) 7.0, ValueSet v3-ActInformationSensitivityPolicy and
    /// v3-InformationSensitivityPolicy. BH (behavioural health) stands for mental health and substance
    /// use together; what has no class of its own here is `Restricted`.
    pub fn of_label(code: &str) -> Classes {
        use SensitiveClass::{Hiv, MentalHealth, Reproductive, Restricted, SubstanceUse};
        const LABELS: [(SensitiveClass, &[&str]); 5] = [
            (SubstanceUse, &["ETH", "SUD", "ETHUD", "OPIOIDUD", "BH"]),
            (Hiv, &["HIV"]),
            (MentalHealth, &["MH", "PSY", "PSYTHPN", "EMOTDIS", "COGN", "BH"]),
            (Reproductive, &["SEX"]),
            (
                Restricted,
                &[
                    "R", "V", "ADOL", "CEL", "DIA", "DRGIS", "DVD", "EMP", "GDIS", "IPV", "MST",
                    "PDS", "PHY", "PRS", "SCA", "SDV", "SICKLE", "SPI", "STD", "TBOO", "VIO",
                    "VIP",
                ],
            ),
        ];
        let code = code.trim();
        let names = |codes: &[&str]| codes.iter().any(|known| known.eq_ignore_ascii_case(code));
        LABELS.iter().filter(|(_, codes)| names(codes)).map(|(class, _)| *class).collect()
    }
}

impl FromIterator<SensitiveClass> for Classes {
    fn from_iter<I: IntoIterator<Item = SensitiveClass>>(classes: I) -> Classes {
        classes.into_iter().fold(Classes::NONE, |all, class| all.and(Classes::of(class)))
    }
}

impl From<Vec<SensitiveClass>> for Classes {
    fn from(classes: Vec<SensitiveClass>) -> Classes {
        classes.into_iter().collect()
    }
}

impl From<Classes> for Vec<SensitiveClass> {
    fn from(classes: Classes) -> Vec<SensitiveClass> {
        classes.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_all_of_it_must_be_allowed() {
        let both: Classes = [SensitiveClass::Hiv, SensitiveClass::Restricted].into_iter().collect();
        assert!(both.are_within(Classes::ALL) && !both.are_within(Classes::NONE));
        assert!(!both.are_within(Classes::of(SensitiveClass::Hiv)));
        assert!(Classes::NONE.are_within(Classes::NONE) && Classes::NONE.is_empty());
        assert_eq!(Classes::ALL.iter().collect::<Vec<_>>(), SensitiveClass::ALL);
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(text, "[\"hiv\",\"restricted\"]");
        assert_eq!(serde_json::from_str::<Classes>(&text).unwrap(), both);
        for class in SensitiveClass::ALL {
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
        }
    }

    #[test]
    fn labels_name_their_classes_and_other_codes_none() {
        let of = |code| Vec::from(Classes::of_label(code));
        assert_eq!(of("eth"), [SensitiveClass::SubstanceUse]);
        assert_eq!(of("BH"), [SensitiveClass::SubstanceUse, SensitiveClass::MentalHealth]);
        assert_eq!(of(" SDV "), [SensitiveClass::Restricted]);
        for plain in ["", "N", "L", "M", "U", "NORDSCLCD", "TREAT", "HTEST"] {
            assert_eq!(of(plain), [], "{plain}");
        }
    }
}
