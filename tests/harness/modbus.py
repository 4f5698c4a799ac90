"""Modbus devices that hold registers: one at a TCP port, one at the other end of a serial line."""

import os
import pty
import select
import socketserver
import struct
import threading
import tty

HOLDING, INPUT = 3, 4  # the function codes that read them
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 1, 2


def answer(registers, unit, request):
    """What a device says to a request of at least a function code, both without what a line puts around them; b"" for a request
    to another unit. `registers`: {(HOLDING or INPUT, address): 0 to 65535}."""
    to, function = request[0], request[1]
    if to != unit:
        return b""
    if function not in (HOLDING, INPUT):
        return bytes([unit, function | 0x80, ILLEGAL_FUNCTION])
    first, count = struct.unpack(">HH", request[2:6])
    asked = [(function, first + i) for i in range(count)]
    if not asked or not all(register in registers for register in asked):
        return bytes([unit, function | 0x80, ILLEGAL_ADDRESS])
    values = struct.pack(f">{count}H", *(registers[register] for register in asked))
    return bytes([unit, function, len(values)]) + values


def checksum(message):
    crc = 0xFFFF
    for byte in message:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return struct.pack("<H", crc)


class TcpDevice:
    """Listens at `port` of every address while the block runs."""

    def __init__(self, registers, unit=1):
        class Connection(socketserver.StreamRequestHandler):
            def handle(self):
                while len(head := self.rfile.read(6)) == 6:
                    transaction, protocol, length = struct.unpack(">HHH", head)
                    said = answer(registers, unit, self.rfile.read(length))
                    if said:
                        self.wfile.write(struct.pack(">HHH", transaction, protocol, len(said)) + said)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("0.0.0.0", 0), Connection)
        self.port = self._server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class SerialDevice:
    """Answers at a serial line whose other end, a pseudo-terminal, is `path` while the block runs: with the rights that udev gives to serial lines."""

    REQUEST = 8  # bytes of the requests to read

    def __init__(self, registers, unit=1):
        self._registers, self._unit = registers, unit
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.path = os.ttyname(self._theirs)
        os.chown(self.path, 0, 20)  # dialout
        os.chmod(self.path, 0o660)
        self._ended, self._end = os.pipe()

    def __enter__(self):
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        os.close(self._end)
        self._thread.join()
        for fd in (self._ours, self._theirs, self._ended):
            os.close(fd)

    def _serve(self):
        request = b""
        while self._ended not in select.select([self._ours, self._ended], [], [])[0]:
            request += os.read(self._ours, self.REQUEST - len(request))
            if len(request) < self.REQUEST:
                continue
            if checksum(request[:-2]) == request[-2:]:
                said = answer(self._registers, self._unit, request[:-2])
                os.write(self._ours, said and said + checksum(said))
            request = b""
