//! A NATS that speaks TLS only, wants to see certificates, and knows its users by nkeys.

use std::path::{Path, PathBuf};
use std::time::Duration;

use messaging::rights::{User, UserKey, Work, authorization};
use messaging::{Access, Bus, ConnectError, nkey, topology};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sandbox::Nats;
use testkit::eventually;

const WITHIN: Duration = Duration::from_secs(10);

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Somebody who vouches for others.
fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for this name, and its key, as files.
fn vouched(dir: &Path, by: &Authority, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, by).unwrap();
    let (certificate_file, key_file) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    (certificate_file, key_file)
}

struct Guarded {
    nats: Nats,
    access: Access,
    stranger: PathBuf,
}

async fn guarded() -> Guarded {
    let seed = nkey::new_seed();
    let permissions = Some(Work::of("billing").makes(&topology::events()).permissions());
    let key = UserKey::Public(nkey::public_key(&seed).unwrap());
    let users = authorization(&[User { name: "billing", key, permissions }]);
    let mut nats = testkit::nats().await;
    let (ours, others) = (authority(), authority());
    let (ca, stranger) = (nats.home().join("ca.pem"), nats.home().join("others.pem"));
    std::fs::write(&ca, ours.pem()).unwrap();
    std::fs::write(&stranger, others.pem()).unwrap();
    let (certificate, key) = vouched(nats.home(), &ours, "127.0.0.1");
    let client_certificate = Some(vouched(nats.home(), &ours, "billing"));
    let tls =
        format!("tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}\n");
    nats.configure(users + &tls).unwrap();
    nats.restart().await.unwrap();
    let access = Access { seed: Some(seed), ca_file: Some(ca), client_certificate, ..Access::default() };
    Guarded { nats, access, stranger }
}

async fn connects(url: &str, access: &Access) -> Bus {
    let bus = Bus::connect_as(url, "billing", access).await.unwrap();
    eventually(WITHIN, "a connection", async || bus.is_connected().then_some(())).await;
    bus
}

/// It is never connected: several tries are over.
async fn stays_outside(url: &str, access: &Access) {
    let bus = Bus::connect_as(url, "billing", access).await.unwrap();
    let connected = async {
        while !bus.is_connected() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(1), connected).await.is_err(), "{access:?}");
}

#[tokio::test]
async fn by_tls_with_a_certificate_and_a_key_a_service_works() {
    let Guarded { nats, access, .. } = guarded().await;
    for url in [nats.url(), nats.url().replace("nats://", "tls://")] {
        let bus = connects(&url, &access).await;
        bus.ensure_stream("billing", &topology::events()).await.unwrap();
        assert_eq!(bus.refusal(), None);
    }
}

#[tokio::test]
async fn without_one_of_them_or_with_another_it_stays_outside() {
    let Guarded { nats, access, stranger } = guarded().await;
    let url = nats.url();
    // Otherwise nothing is shown by those that do not come in.
    connects(&url, &access).await;
    stays_outside(&url, &Access { ca_file: None, ..access.clone() }).await;
    stays_outside(&url, &Access { ca_file: Some(stranger), ..access.clone() }).await;
    stays_outside(&url, &Access { client_certificate: None, ..access.clone() }).await;
    // The certificate is made out for the address.
    stays_outside(&url.replace("127.0.0.1", "localhost"), &access).await;
    let unknown = Access { seed: Some(nkey::new_seed()), ..access.clone() };
    let bus = Bus::connect_as(&url, "billing", &unknown).await.unwrap();
    let why = eventually(WITHIN, "a refusal", async || bus.refusal()).await;
    assert!(why.contains("does not know the nkey"), "{why}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let missing = PathBuf::from("/nowhere/ca.pem");
    let access = Access { ca_file: Some(missing.clone()), ..Access::default() };
    let refused = Bus::connect_as("nats://127.0.0.1:4222", "billing", &access).await.unwrap_err();
    assert!(matches!(&refused, ConnectError::Certificate { file, .. } if *file == missing), "{refused}");
}
