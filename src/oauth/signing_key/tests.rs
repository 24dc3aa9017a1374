use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation};

use super::*;

const P256: &str = include_str!("../../../tests/fixtures/keys/p256-pkcs8.pem");
const P256_SEC1: &str = include_str!("../../../tests/fixtures/keys/p256-sec1.pem");
const P256_ENCRYPTED: &str = include_str!("../../../tests/fixtures/keys/p256-encrypted.pem");
const P384_SEC1: &str = include_str!("../../../tests/fixtures/keys/p384-sec1.pem");
const ED25519: &str = include_str!("../../../tests/fixtures/keys/ed25519-pkcs8.pem");
const RSA: &str = include_str!("../../../tests/fixtures/keys/rsa-pkcs8.pem");
const RSA_PKCS1: &str = include_str!("../../../tests/fixtures/keys/rsa-pkcs1.pem");
const RSA_SHORT: &str = include_str!("../../../tests/fixtures/keys/rsa-1024-pkcs8.pem");
const RSA_JWK: &str = include_str!("../../../tests/fixtures/keys/rsa-ps256.jwk.json");
/// RFC 7515 A.3.
const EC_JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
/// RFC 8037 A.1.
const OKP_JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;

fn parse(text: &str, algorithm: Option<Algorithm>) -> Result<SigningKey, InvalidKey> {
    SigningKey::parse(PrivateKey::new(text), algorithm)
}

/// Verifies with another implementation and the public half we hand out.
fn verify(key: &SigningKey, token: &str) -> jsonwebtoken::TokenData<Value> {
    let jwk: Jwk = serde_json::from_value(key.public_jwk()).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["https://as.example"]);
    jsonwebtoken::decode(token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap()
}

#[test]
fn every_kind_of_key_signs_what_others_can_verify() {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let table = [
        (P256, None, Es256, None),
        (P256_SEC1, None, Es256, None),
        (P384_SEC1, None, Es384, None),
        (ED25519, None, EdDsa, None),
        (RSA, None, Rs256, None),
        (RSA, Some(Rs384), Rs384, None),
        (RSA, Some(Rs512), Rs512, None),
        (RSA_PKCS1, Some(Ps256), Ps256, None),
        (RSA_PKCS1, Some(Ps384), Ps384, None),
        (RSA_PKCS1, Some(Ps512), Ps512, None),
        (RSA_JWK, None, Ps256, Some("k1")),
        (RSA_JWK, Some(Rs256), Rs256, Some("k1")),
        (EC_JWK, None, Es256, None),
        (OKP_JWK, None, EdDsa, Some("ed")),
    ];
    for (text, algorithm, expected, kid) in table {
        let key = parse(text, algorithm).unwrap();
        let claims = json!({ "aud": "https://as.example", "exp": 4_000_000_000_u64, "n": 1 });
        let token = key.sign(Map::from_iter([("typ".into(), "JWT".into())]), &claims);
        let verified = verify(&key, &token);
        assert_eq!(verified.claims, claims);
        assert_eq!(format!("{:?}", verified.header.alg).to_uppercase(), expected.name().to_uppercase());
        assert_eq!((verified.header.typ.as_deref(), verified.header.kid.as_deref()), (Some("JWT"), kid));
    }
}

#[test]
fn one_key_is_the_same_in_every_form() {
    for (one, other) in [(P256, P256_SEC1), (RSA, RSA_PKCS1)] {
        assert_eq!(parse(one, None).unwrap().public_jwk(), parse(other, None).unwrap().public_jwk());
    }
    assert_eq!(parse(RSA, None).unwrap().public_jwk()["n"], parse(RSA_JWK, None).unwrap().public_jwk()["n"]);
}

#[test]
fn the_public_half_holds_nothing_of_the_private_one() {
    for text in [EC_JWK, OKP_JWK, RSA_JWK] {
        let jwk = parse(text, None).unwrap().public_jwk();
        assert!(["d", "p", "q", "dp", "dq", "qi"].iter().all(|member| jwk.get(member).is_none()), "{jwk}");
    }
}

#[test]
fn what_is_no_usable_key_is_refused() {
    let truncated = EC_JWK.replace("jpsQ", "");
    let public = EC_JWK.replace("\"d\"", "\"no\"");
    let foreign_point = EC_JWK.replace("f83O", "f83P");
    let table = [
        ("", None, InvalidKey::Unreadable),
        ("not a key", None, InvalidKey::Unreadable),
        ("{}", None, InvalidKey::Unreadable),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None, InvalidKey::Rejected),
        (P256_ENCRYPTED, None, InvalidKey::Encrypted),
        (RSA_SHORT, None, InvalidKey::Rejected),
        (&truncated, None, InvalidKey::Rejected),
        (&public, None, InvalidKey::Unreadable),
        (&foreign_point, None, InvalidKey::Rejected),
        (P256, Some(Algorithm::Rs256), InvalidKey::WrongAlgorithm),
        (P256, Some(Algorithm::Es384), InvalidKey::WrongAlgorithm),
        (RSA, Some(Algorithm::EdDsa), InvalidKey::WrongAlgorithm),
    ];
    for (text, algorithm, expected) in table {
        assert_eq!(parse(text, algorithm).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn the_algorithm_follows_the_server_unless_it_was_chosen() {
    let lists = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let table = [
        (RSA, None, Some(lists(&["ES256", "PS256"])), Algorithm::Ps256),
        (RSA, None, Some(lists(&["PS256", "RS256"])), Algorithm::Rs256),
        (RSA, None, None, Algorithm::Rs256),
        (RSA, None, Some(lists(&["ES256"])), Algorithm::Rs256),
        (RSA, Some(Algorithm::Rs512), Some(lists(&["PS256"])), Algorithm::Rs512),
        (RSA_JWK, None, Some(lists(&["RS256"])), Algorithm::Ps256),
        (P256, None, Some(lists(&["RS256"])), Algorithm::Es256),
    ];
    for (text, algorithm, supported, expected) in table {
        let key = parse(text, algorithm).unwrap().accepted_by(supported.as_deref());
        assert_eq!(key.algorithm(), expected, "{supported:?}");
    }
}

#[test]
fn a_key_prints_nothing_of_itself() {
    let shown = format!("{:?}", parse(OKP_JWK, None).unwrap());
    assert_eq!(shown, "SigningKey(EdDSA, [redacted])");
}

#[test]
fn algorithms_are_found_by_their_names() {
    for (name, algorithm) in ALGORITHMS {
        assert_eq!((Algorithm::named(name), algorithm.name()), (Some(algorithm), name));
    }
    for bad in ["none", "HS256", "es256", ""] {
        assert_eq!(Algorithm::named(bad), None);
    }
}
