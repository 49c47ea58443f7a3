"""Run in an environment of its own: gurux-dlms associates with a meter, reads its load profile, sends a token.

Arguments: one JSON object; prints one on its last line (the library prints lines of its own).
"""

import json
import socket
import sys

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, DataType, InterfaceType, ObjectType, Security
from gurux_dlms.objects import GXDLMSData, GXDLMSProfileGeneric
from gurux_dlms.secure import GXDLMSSecureClient

told = json.loads(sys.argv[1])
hdlc = told["hdlc"]
client = GXDLMSSecureClient(
    True,
    told["client_sap"],
    told["server_sap"],
    Authentication.HIGH_GMAC,
    None,
    InterfaceType.HDLC if hdlc else InterfaceType.WRAPPER,
)
client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
client.ciphering.systemTitle = bytes.fromhex(told["system_title"])
client.ciphering.blockCipherKey = bytes.fromhex(told["encryption_key"])
client.ciphering.authenticationKey = bytes.fromhex(told["authentication_key"])
client.ciphering.invocationCounter = told["counter"]
line = socket.create_connection(("127.0.0.1", told["port"]), timeout=20)


def exchange(request, reply):
    """One frame out, its answer in."""
    received = GXByteBuffer()
    line.sendall(bytes(request))
    while not client.getData(received, reply):
        part = line.recv(4096)
        if not part:
            raise SystemExit("the meter hung up")
        received.set(part)


def ask(requests):
    """A request of one or more frames, and the whole answer put together."""
    reply = GXReplyData()
    for request in requests if isinstance(requests, list) else [requests]:
        reply.clear()
        exchange(request, reply)
        while reply.isMoreData():
            exchange(client.receiverReady(reply), reply)
    if reply.error:
        raise SystemExit(f"error {reply.error}")
    return reply


snrm = client.snrmRequest()
if snrm:
    client.parseUAResponse(ask(snrm).data)
client.parseAareResponse(ask(client.aarqRequest()).data)
client.parseApplicationAssociationResponse(ask(client.getApplicationAssociationRequest()).data)
profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
reply = ask(client.read(profile, 3))
client.updateValue(profile, 3, reply.value)
reply = ask(client.readRowsByEntry(profile, 1, 96) if told["by_entry"] else client.read(profile, 2))
rows = reply.value
gateway = GXDLMSData("0.0.19.40.0.255")
gateway.objectType = ObjectType.TOKEN_GATEWAY
ask(client.method(gateway, 1, told["token"].encode(), DataType.OCTET_STRING))
release = client.releaseRequest()
if release:
    ask(release)
print(json.dumps({"rows": len(rows), "latest": rows[-1][2]}))
