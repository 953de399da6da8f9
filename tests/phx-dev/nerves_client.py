"""NervesHub's shared-secret headers and a device of it, from the facts and Python's own libraries."""
import base64
import hashlib
import hmac
import struct
import time

import phxdev

PRODUCT_KEY = "nhp_/00d+03Hswa/mwIeSq2409HVpWzBUKxTi74hWsb5Izc"
SECRET = "s3cret/with+signs"
ALG = "NH1-HMAC-sha256-1000-32"
PLATFORM = {"nerves_fw_uuid": "206d2695-f7b3-5efd-05c8-5d40adeac947",
            "nerves_fw_product": "mcu-bridge-lab", "nerves_fw_architecture": "avr8",
            "nerves_fw_version": "1.0.0", "nerves_fw_platform": "avr",
            "device_api_version": "2.3.0", "console_version": "2.0.0",
            "meta": {"firmware_validated": True, "firmware_auto_revert_detected": False}}


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(identifier, signed_s, header_time, key=PRODUCT_KEY, secret=SECRET, alg=ALG):
    _, _, digest, rounds, length = alg.split("-")
    salt = ("NH1:device-socket:shared-secret:connect\n\n"
            f"x-nh-alg={alg}\nx-nh-key={key}\nx-nh-time={header_time}\n").encode()
    derived = hashlib.pbkdf2_hmac(digest.lower(), secret.encode(), salt, int(rounds), int(length))
    name = identifier if isinstance(identifier, bytes) else identifier.encode()
    term = (b"\x83\x68\x03\x6d" + struct.pack(">I", len(name)) + name + b"\x6e\x06\x00" +
            (signed_s * 1000).to_bytes(6, "little") + b"\x62\x00\x01\x51\x80")
    text = "SFMyNTY." + unpadded(term)
    return text + "." + unpadded(hmac.new(derived, text.encode(), hashlib.sha256).digest())


def headers(identifier, at=None, **how):
    at = int(time.time()) if at is None else at
    return [f"x-nh-alg: {how.get('alg', ALG)}", f"x-nh-key: {how.get('key', PRODUCT_KEY)}",
            f"x-nh-time: {at}", f"x-nh-signature: {token(identifier, at, at, **how)}"]


class Device:
    """One device, connected; join() joins `device` and reads the answer."""

    def __init__(self, server, identifier="dev-1", status=101):
        self.server, self.identifier = server, identifier
        self.link = phxdev.connect(server, "/device-socket/websocket?vsn=2.0.0",
                                   headers(identifier), status)
        self.ref = 0

    def push(self, event, payload, topic="device", join_ref="1"):
        self.ref += 1
        self.link.send_json([join_ref, f"p{self.ref}", topic, event, payload])

    def join(self, topic="device", join_ref="1", payload=None, **changes):
        if payload is None:
            payload = {k: v for k, v in {**PLATFORM, **changes}.items() if v is not ...} \
                if topic == "device" else {}
        self.link.send_json([join_ref, join_ref, topic, "phx_join", payload])
        return self.link.next_json()[4]

    def expect(self, event):
        message = self.link.next_json()
        if message[3] != event:
            raise AssertionError(f"expected {event}, got {message}")
        return message

    def state(self):
        self.link.sync()
        devices = self.server.get("/nerves/devices")["devices"]
        return next(d for d in devices if d["identifier"] == self.identifier)
