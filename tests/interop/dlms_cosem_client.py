"""Run in an environment of its own: dlms-cosem associates with a meter, reads its load profile, sends a token.

Arguments: one JSON object; prints one.
"""

import json
import sys

from dlms_cosem import cosem, dlms_data, enumerations, utils
from dlms_cosem.clients.dlms_client import DlmsClient

told = json.loads(sys.argv[1])
client = DlmsClient.with_tcp_transport(
    host="127.0.0.1",
    port=told["port"],
    client_logical_address=told["client_sap"],
    server_logical_address=told["server_sap"],
    authentication_method=enumerations.AuthenticationMechanism.HLS_GMAC,
    encryption_key=bytes.fromhex(told["encryption_key"]),
    authentication_key=bytes.fromhex(told["authentication_key"]),
    client_system_title=bytes.fromhex(told["system_title"]),
    client_initial_invocation_counter=told["counter"],
)
with client.session() as session:
    profile = cosem.CosemAttribute(enumerations.CosemInterface.PROFILE_GENERIC, cosem.Obis(1, 0, 99, 1, 0), 2)
    rows = utils.parse_as_dlms_data(session.get(profile))
    gateway = cosem.CosemMethod(enumerations.CosemInterface.TOKEN_GATEWAY, cosem.Obis(0, 0, 19, 40, 0), 1)
    session.action(gateway, dlms_data.OctetStringData(told["token"].encode()).to_bytes())
print(json.dumps({"rows": len(rows), "latest": rows[-1][2]}))
