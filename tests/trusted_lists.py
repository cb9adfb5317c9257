"""National lists of trust services as ETSI TS 119 612 has them, each part of which a test may bend."""

from __future__ import annotations

from base64 import b64encode

from cryptography.hazmat.primitives.serialization import Encoding

TYPES = "http://uri.etsi.org/TrstSvc/Svctype/"
STATUSES = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"
QTST, PLAIN, GRANTED, WITHDRAWN = f"{TYPES}TSA/QTST", f"{TYPES}TSA", f"{STATUSES}granted", f"{STATUSES}withdrawn"


def member(status, since, kind=QTST):
    return (
        f"<ServiceTypeIdentifier>{kind}</ServiceTypeIdentifier><ServiceStatus>{status}</ServiceStatus>"
        f"<StatusStartingTime>{since}</StatusStartingTime>"
    )


def service(certificate, *periods, name="Qualified timestamps"):
    """A service with its periods, the present one first."""
    present, *past = [member(*one) for one in periods]
    encoded = b64encode(certificate.public_bytes(Encoding.DER)).decode()
    identity = f"<DigitalId>\n<X509Certificate>\n{encoded[:64]}\n{encoded[64:]}</X509Certificate></DigitalId>"
    history = "".join(f"<ServiceHistoryInstance>{one}</ServiceHistoryInstance>" for one in past)
    return (
        f'<TSPService><ServiceInformation><ServiceName><Name xml:lang="en">{name}</Name></ServiceName>'
        f"<ServiceDigitalIdentity>{identity}</ServiceDigitalIdentity>{present}</ServiceInformation>"
        f"<ServiceHistory>{history}</ServiceHistory></TSPService>"
    )


def trusted_list(*services, sequence="312", issued="2026-12-01T00:00:00Z", before="", more=""):
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}'
        '<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#" TSLTag="http://uri.etsi.org/19612/TSLTag">'
        f"<SchemeInformation><TSLSequenceNumber>{sequence}</TSLSequenceNumber><SchemeTerritory>DE</SchemeTerritory>"
        f"<ListIssueDateTime>{issued}</ListIssueDateTime></SchemeInformation>"
        '<TrustServiceProviderList><TrustServiceProvider><TSPInformation><TSPName><Name xml:lang="en">Example Trust'
        f"</Name></TSPName></TSPInformation><TSPServices>{''.join(services)}</TSPServices>{more}"
        "</TrustServiceProvider></TrustServiceProviderList></TrustServiceStatusList>"
    ).encode()
