//! TLS in front of a Git host, with a certificate that an authority made for the story has signed.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::world::git_host::{GitHost, runtime};
use crate::world::repository::Repository;

/// One front on a port of its own, until the tests end.
pub struct TlsFront {
    port: u16,
    authority: String,
}

impl TlsFront {
    /// Takes TLS connections for the name `localhost`, and passes them on in plain.
    pub fn start(to: &GitHost) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let configuration = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(configuration));
        let listener = runtime().block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime().spawn(accept(listener, acceptor, to.port()));
        Self { port, authority: authority.pem() }
    }

    /// Where a repository is behind this front, by some name of this machine.
    pub fn url(&self, host: &str, repository: &Repository) -> String {
        let path = repository.url.splitn(4, '/').nth(3).unwrap();
        format!("https://{host}:{}/{path}", self.port)
    }

    /// The certificate of the authority, PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, to: u16) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not like the certificate hangs up, as does a host that is down.
            let mut front = acceptor.accept(stream).await.ok()?;
            let mut back = TcpStream::connect(("127.0.0.1", to)).await.ok()?;
            copy_bidirectional(&mut front, &mut back).await.ok()
        });
    }
}
