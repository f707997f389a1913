"""Over TLS the certificate must be the name's, whatever address was connected to."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from azukari.webhooks.addresses import Target
from azukari.webhooks.post import Post, Posted
from tests.webhooks.receiver import receiving

NAME = "hooks.shop.example"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of our name, vouched for by itself; its key is in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "certificate.pem"
    file.write_bytes(certificate.public_bytes(pem) + private)
    return file


async def test_the_name_is_asked_for_and_its_certificate_is_held_against_it(certificate: Path) -> None:
    asked: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    server.sni_callback = lambda _, name, __: asked.append(name)
    ours = ssl.create_default_context(cafile=str(certificate))
    async with receiving(context=server) as receiver:
        trusting, wary = Post(ours), Post()
        good = Target("https", NAME, receiver.port, "/a?b=c")
        other = good._replace(host="other.shop.example")
        assert await trusting.send(good, ["127.0.0.1"], {}, b"{}") == Posted(200, None)
        assert await trusting.send(other, ["127.0.0.1"], {}, b"{}") == Posted(None, "connect")
        assert await wary.send(good, ["127.0.0.1"], {}, b"{}") == Posted(None, "connect")
        # An address that takes no connection is passed over.
        assert await trusting.send(good, ["127.0.0.9", "127.0.0.1"], {}, b"{}") == Posted(200, None)
        await trusting.close()
        await wary.close()

    assert [got.path for got in receiver.got] == ["/a?b=c"] * 2
    assert receiver.got[0].headers["host"] == f"{NAME}:{receiver.port}"
    assert set(asked) == {NAME, "other.shop.example"}
