//! Values that everybody has: vendors' documentation, specifications, published test keys. Held as
//! hashes, so that neither the sources nor the program hold the values.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Whether a value stands in public documentation and protects nothing. The exact text decides.
pub fn is_documentation_value(value: &[u8]) -> bool {
    let digest = Sha256::digest(value);
    HASHES.binary_search_by(|known| known.as_slice().cmp(digest.as_slice())).is_ok()
        || (value.starts_with(GOOGLE_KEY)
            && digest.get(..4).is_some_and(|head| {
                PUBLISHED_GOOGLE_KEYS.contains(&HEXLOWER.encode(head).as_str())
            }))
}

/// Whether a private key (DER, or the decoded blob of OpenSSH) is published.
pub(super) fn is_public_key(key: &[u8]) -> bool {
    PUBLIC_KEYS.contains(&hash(key).as_str())
}

fn hash(value: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(value))
}

/// [`DOCUMENTATION`] in order, as bytes.
static HASHES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let decoded = DOCUMENTATION.iter().filter_map(|hash| HEXLOWER.decode(hash.as_bytes()).ok());
    let mut hashes: Vec<Vec<u8>> = decoded.collect();
    hashes.sort_unstable();
    hashes
});

/// SHA-256 of the value's text.
const DOCUMENTATION: &[&str] = &[
    // AWS: two access key ids, two secret keys.
    "1a5d44a2dca19669d72edf4c4f1c27c4c1ca4b4408fbb17f6ce4ad452d78ddb3",
    "c6ea27c534f993d31f0aef882e3d200e7b87470c379ae79c8f9b19d3bd363dc9",
    "78314b11be2e581549ac1c4f616563fad3fdf0c3b71678f6e2299182080e0598",
    "e21b597ba6b9cafa59d9ebc4d65c0385f5eb3fa56abab2607fa76589ad849a33",
    // Azure: the storage emulator's key, the Cosmos DB emulator's key.
    "0011cc25eb4320717494d2703e8cba85743e71b500283c21c8b88147992f9059",
    "aa6547439583c3a275d4542a0df6c1ad6a863971be9f2a2220f027cc02aef615",
    // kubeadm: three bootstrap tokens.
    "a4b8b245ab28bc4f72dcaa0d9ba9f73d6488fa758a2a5cb55ecb11511f002f80",
    "366da6cf65a08841e25019549f7175df15fbaa93bf4f9a35f911adc0738b918a",
    "3002888f967a7086ab52fcc9e8bbc3e46724c349828ce6c8625b850a7036e876",
    // Stripe: two test keys. Slack: a webhook's path.
    "2cafc0970149a84f3b9e62eaf169f36f59907a3b3e31f7b82e68c69cd27f7326",
    "f2d6ca16515033e5dce14eba840b979d27b5cbae24bb3e5bf484339667f86397",
    "2f3227eccce10b918c6655a32787803ee297ffcf973336aad6924882c89567a9",
    // jwt.io: three versions of its sample.
    "7f75367e7881255134e1375e723d1dea8ad5f6a4fdb79d938df1f1754a830606",
    "da816f9f2c16e6c5390e7636cadc40c43551bf0bbcf8f36c65539e6633a9c5e8",
    "c794fa6d20c64efb9adf980ae93af472a1679775862d421ffe55d4a57fad5b3e",
    // Grafana: a test's token. GitLab: the development seed's token.
    "6b59c03c307209873c0219cde6ef59bc8ac6f22c0a5886dc0ac942523ff592dc",
    "970ffe365ddf94563db8ba4962461d4adc694ac613678666b97158033c732c77",
    // Mnemonics: all zeros; Hardhat's, and the first key made of it.
    "c557eec878dfd852ba3f88087c4f350f09c55537ab5e549c3cd14320ec3cef38",
    "f79cd64f9cea237897b8133e4b905b361c6f166faa5a1c64c32280938f5b707e",
    "bc1a50966c9e6486bc4ebf880b51611a2a97fcb8e7a6976e9b81a9e3e8ca0e3c",
    // RFC 7515 A.1 (symmetric key), RFC 8037 (Ed25519), RFC 6455 (handshake).
    "8b1b17a9740c068accab5c3d0d652c8e3cc13206e70bb73b42ea41d4c2de3c12",
    "190edf59d5736c3b3ea6bb36d57f5eb415a9b79f3201b381b8f3cb089135981f",
    "15cef4b629cc2d07a4563df9516739d4c8d6097eb283e5260fd59299a3c99c56",
    // RFC 2617, RFC 7617 and MDN: three Basic credentials.
    "cf4d418ed3de92d71f767db5391d5a2dacd40e1ce49e75d1137e2ecf4982d844",
    "687da00b09c83361bf3a2853b3a0c7d63ca5da870c8d3cdc20905c7aa546840a",
    "ad62d48d8b069026a2a0d0291f857a77e1975edf610aa3502e8bc71bd96f513a",
    // RFC 6749: the client of its examples.
    "ca7459e2b26776de081b9a07e40227fd6cff232a1e3233ff6b6aa6d036ca9981",
    // RFC 6749, RFC 6750, RFC 7009: tokens and a code of their examples.
    "6c96130f130ab0d6d158397e24d2bcc1c9a5e73ae081f6e983f1c7b545d24a4c",
    "00cf4c781dc37003f7c7dd7d4c9a6ef1e0f4c62d9a291aa8bc398774e3fefd32",
    "a35b81a7d7927b70ec99270dd2362b88580a28574af812f2c02f56469579186f",
    "b8e148545b13c78bc74da2f1a7275dd71e56ddece129d7d2f7b3ecc06f7994da",
    "ea9bdfd02c0c412c8cc36ba67f6c17f9b314b2c518e63ff3776077d68245736d",
    // RFC 5849: tokens and secrets of its examples.
    "9d03b692e941d5ace207a9f8048834439f6de98e5c6c1590c22c4f4577c88a42",
    "2ff8b0fb93aca981c78f1e94355c298c23435461f1072ef4674848e620371787",
    // AWS: tokens in the examples of IAM Identity Center, a signature in those of DataSync (as it stands, and decoded).
    "45a87856c0d470a0c8b4f725e7024bf3876cb7b3fe6b2591d272a3c591e011f2",
    "79d571b6c0c11df36b4fc38c42055ffb35dfb4a7cc3a8ba956f6f59961aa137b",
    "1314a52039d7ab429e5068ec6079d295536e600085fd7d35b781f12838a4239c",
    "dd72120a7a35df634d78ea72be77b626122ce943eced6d6fe25b595d778ab52f",
    "adc9755c14485b068dbf7da918d39a7ffee08d6e081b5a066de67ce08648e25e",
    // Ansible: two hashes in the manual of the filter password_hash.
    "c742dd0a64a3b08a5aa2d5254c87c320f50ff7024253a7f4bc3a4c26d9f8a33a",
    "78ea581a842e08323027390175decf93dbafd5b55275481da84f3ff5ac7e1fef",
    // PyJWT: two tokens in its manual.
    "1a9e7de3fd045251395dfb186491794be6f20a7b46b5ac1caa60f33c36e1249d",
    "bf145d9380bbe05bdc1a72525796b224f8a8c93ae0e9e102eafbc255ac1af9e8",
    // WireGuard: the keys in the examples of systemd.netdev(5) and wg(8).
    "08136314cc06d4f2e8e9bf82cb999595f0a3ef7f9ffc0e2960cf849e1f5c09d2",
    "ea1ca3e25b35a51ea7c8c9e5434d6faa6d49963d09845fb49028aaa4f6a2e709",
    // npm: the password in the manual of its package @npmcli/arborist.
    "a4e2428ec0cf991da3a3d1441fb8df103eabf97456bc0de909dcc8fa5221f443",
    // RFC 7517 A.2: the number of the key of P-256.
    "a45404ae333dd955dcff82cf28972e0f81b1e673cb70e2fc2d7d0d4c42a893bc",
    // WireGuard: the preshared key in the examples of wg(8).
    "f00f15c9bc65f1cf6db14145c9ad5da3e4eee128e7e2ae831850af38e8d64606",
    // BIP-32: the private keys of test vectors 1 and 2.
    "2243ae4c730144699810edff877f309b57c9f62289420157926505582ea6d1f9",
    "c3e981f8e1c6a20142aac2ca0c23af92f88c9d129371e0b7aa271ff17644556b",
    "38f45b57d43a7400a44a426bf98d87189b5022748f303be6d1d4fc21e4e65b85",
    "04a564938fd41d291aa042c0bcfd9867ad19045aa895476645c5f1a1bb98871a",
    "75754388723db8eccc4b581f484b5585bc848eb60c9cfc7f3a06a37b8295a178",
    "ac17da3e11432de904272c5859b35477b412aceac390e9319a74b5a3acd12538",
    "fa146b83df550394a57ed8f05186226882b82caffecc1ccc5df5710c1e5fa0a1",
    "bebe65f0e0569d6283a7b3677aa69e9047b2b288f1ab7de2e2714778e3112d66",
    "c14aca8e6d6b82d19f4330f9d64ed5efb790c8484ff6e5398c6771b7c21f5c50",
    "ed7bfe0ceae813bcc585635656507759ac09ef1d1bc8a8b0a5d8bd227296dd78",
    "00860ac6121289549cc36c62bb823c2b6d496786444f73f282497678c279a392",
    "9d61c593824c392ca2b757ac4c9e1d1a59ac0fc313f2a4f4a0acb9a7813a37ab",
    // BIP-39: the all-zero phrase, Hardhat's and Anvil's, and the test vectors with many words.
    "0f388b04e512d7a0eda5889c96ff034cf63499b73898965a8e187e3a8a25d198",
    "b2e71100d10bee74156b69806498a2e3d90e432160c2e266465ba669a220d50b",
    "b12ee277a669b18fb7c5d9d3642c9298ce06f0814a4166a6396ad9cb2eccc914",
    "341c225b06c91708aa82ab8389075a8227fda76fb2b9cae2d445e36ca8c44da1",
    "cc95a8a1b5e9bf130a4468b1b4857b6a7fc64979970a06b806cb879460d15348",
    "e770e8aa42a869cf269a5bda331f706a08e02a6223ffbd28d71580e2101e02a4",
    "3b1c5e02107409ea60548d8d8f686fd8d722791f3618deb1f9eb1e9f5c02cd35",
    "ecb0e7ba498c5920991f0b3483e91f7abafa9ecc6bd82a9a51494589592b1a8f",
    "3a64bcd9cea43c0aba67ba0bf2ddff8137a492bccbc672107fcbf7381086f698",
    "a5fe1cb4158ffd2a27ae93b5ac617903504c3ec9d8f6ac9737ecc207cb460e72",
    "15f41342748aa6c0718a6f4fa4e153acf61aa4dc073a6e77347fa2e4ef639162",
    "b8ae5c99142647d1043595539d615197ee7dad5e7c031d5447e78c69e62ba01f",
    "d6da54d12db9eac818868b841c1c9cc7c39f5294c8620ad24b7715b7820febc0",
    "30452ba5605dd25289bc2ae7b1883a53b1cece62e2331fa105b88c9682dd37c7",
    "6d828debd306e21a02511899832f7ee5591de0693b2f2bd78967fb1e09bafdbb",
    "662c451cc5886e1d6f185f418b815a175bfd197536556607272b36fdefa8c969",
    "b1bff22ae077ce1ae482e4dcb01c144ff8a44e97fbb3f3a5f62567f4ac19da7c",
    "867f9f5929a7201c1116579e17be6ce501f8a8c5a8d0d1ac7173d72ae78fd945",
    // Hardhat and Anvil: the private keys of their twenty accounts, in hex.
    "8335c55334821eefd4334369ff9c04a8594f161013cf9d87f58802d87297837e",
    "b26ab6529d20ebebb4192256f202984754f785481c64b1a1aed58cac93b3617e",
    "64034b44c579b335ab5e85debbfe72789e970138cc8d296799c3833a2a8525fb",
    "4d3e46eec8244d1d106f866ee48994f6176705298aee1b8426b2ad2529eb454b",
    "0aedba9d586f34f95cf1f0d54926f62e8a078ce2ca593be73ab27a87d3ff9c5d",
    "28e543d3753fc9d14c658ebef20b76a3b5f8e7d78667baf27832ceb3bea01bdf",
    "f070994a8599478580678f2b9482c5f02bb3de0647281e8efae183669425808a",
    "38e69fdd19aefeb4adf56312f10e62c30274997835173c7006308323ad7db506",
    "967f21586cdf1248a862f2cfb330099701c942c2c7a7537c54f7ec48f8556505",
    "0b33e0132123e78d42dd12a0fbbbacd19827d35ca88e0ad4ba83a47a65ba0487",
    "84bc109b3d59b0173a76fc3d831360a6e5063b3d4c82793a97de992947a0e3a8",
    "85bde548053aab4b5a6c78473d5eb2addaa5824299ad009bf06775e3ce923010",
    "f1513114f60e5e95732b840669fe83956d8a944d23e6c76f953e7edcf2491901",
    "5330d388af894c9e1a181a06a3ce44d61fd8602165d979942be4641f4002762f",
    "a2e06155cb1a424f972c3abfaddc9cea4820c4aec722d2378903fe28dd8fc40c",
    "4a67d7a0d8a16d6d954cef19eb5afdbdd82cc0e907a571f376ef0a0981a2a9d4",
    "b08bdfde9930d9202809530dcbe193c53fd0dc6928f2010d2ffca74df95ead36",
    "cf1fc66f853151a4c6666909c8f1f80e1d855ecffefbcb65a709aae544de5588",
    "100546a8b020a55aa09b2d34b50de9a3fc45a70b261aec6a989bb2d9321af583",
    // Hex digests of nothing: SHA-256, SHA-1, MD5.
    "cd372fb85148700fa88095e3492d3f9f5beb43e555e5ff26d95f5a6adc36f8e6",
    "07e23ede2756aa3f5f7cc9759117c4910875e032c27b8556a1e20626224f10ec",
    "f215faf9d88b7f0a881632ee22459ee452a296c808d261b6cc993d3a1fd0600e",
];

const GOOGLE_KEY: &[u8] = b"AIza";

/// Google API keys that software development kits publish: the first four bytes of the SHA-256.
const PUBLISHED_GOOGLE_KEYS: &[&str] = &[
    "f56e3234", "2037abca", "3f370c9d", "e4a5542b", "a19f89ab", "0b476bdf", "eb540d2b", "37f8f09b",
    "8731261c", "49f777db", "27a9a429", "dc0fcf04", "4c98242d", "ea9bb108", "3a8b61d0", "a6c814bc",
    // Those of the Google Cloud SDK.
    "6189b36d", "a73b3ad3", "b3f19cc8",
];

/// SHA-256 of the decoded key.
const PUBLIC_KEYS: &[&str] = &[
    // Vagrant's insecure keys: RSA, Ed25519. They are live logins on default boxes.
    "56fb5326a1d72a4080d4870034ecac85b4ae1159f84b9bc458d46327083921e0",
    "c68c1b1e6727cd0ed7cf48b926e4d0ae7608a90b178406fe505bb359355baa93",
    // Go's net/http/internal/testcert, in every program that imports net/http/httptest.
    // PKCS#8, and the PKCS#1 inside.
    "9115742bffb7e2787ea80ab36b3b95482293863ab44db62bcf57890ac709df2b",
    "dc6b41eaf9eed8b0c775d6bedbc193f58a2041b089f6aa08522e77e23f09856d",
    // The key in the examples of XML Security Library.
    "4e6af0221e03f8909528b52cfa7b16a1a852f16361549719511d4ff57cbb6490",
    // Python's test.certdata: keycert, keycert2, keycert3, keycert4, keycertecc; keycert of 3.7.
    "73f9064b8a4be3e0e90b8f9f8dde7d285f6e6bf158f9b24913cbb7e469416caa",
    "1093f6ea15cfb2f9a29f133f3ce5d6215b783348f56ef3fd30d510cbf083635e",
    "6f120e9f72fd4537b105ece76404ac7c7680f5712b43b6527e2c449b409555cd",
    "34b57c7e4b9121ffa6ebf1bfa3b08fb9ed8272e48267050f8464eb13a60e3e70",
    "0184db1f82d1cba10b02c4e694626bc070def41a079e25d730007f390860bbc6",
    "8547eb983f31a4007d9b636a2e8bee1d324d27d48eb3798dd1fa9efc5a013fc4",
    // Self-tests of libgcrypt, in every program that uses it: their s-expressions.
    "228fe4efdb76cb0ea70dcd726fdde757f25cc205639c9bda464659b040d2ac66",
    "48f3868ba6738838d0504fc2175658c9bca8e063ba9e4bc0bdcf8dc974e815fd",
    "86460147c66de88348b3839aaa25cab870b4032e935d516e92d2a6de12eb1c42",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_documentation_are_known_by_their_exact_text() {
        // Two values that are no secrets at all: RFC 6455 §1.3, and the SHA-256 of nothing.
        assert!(is_documentation_value(b"dGhlIHNhbXBsZSBub25jZQ=="));
        let nothing = hash(b"");
        assert!(is_documentation_value(nothing.as_bytes()));
        assert!(!is_documentation_value(nothing.to_uppercase().as_bytes()));
        assert!(!is_documentation_value(b"anything else"));
        assert!(!is_documentation_value(b""));
    }

    #[test]
    fn the_aws_documentation_key_is_known() {
        let id = ["AKIA", "IOSFODNN7", "EXAMPLE"].concat();
        assert!(is_documentation_value(id.as_bytes()));
    }

    #[test]
    fn hashes_are_well_formed_and_unique() {
        for list in [DOCUMENTATION, PUBLIC_KEYS, PUBLISHED_GOOGLE_KEYS] {
            let mut seen = std::collections::BTreeSet::new();
            for hash in list {
                assert!(HEXLOWER.decode(hash.as_bytes()).is_ok(), "{hash}");
                assert!(seen.insert(hash), "{hash} twice");
            }
        }
        assert!(DOCUMENTATION.iter().chain(PUBLIC_KEYS).all(|hash| hash.len() == 64));
    }
}
