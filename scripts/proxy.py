"""A TCP proxy in front of a broker that can cut connections in the middle of a frame or swallow what passes."""

import socket
import struct
import threading


class Proxy:
    """Passes everything on until it is told otherwise."""

    def __init__(self, port, tap=None):
        """`tap` is called with all that passes, in both directions."""
        self.port_behind = port
        self.tap = tap
        self.swallows = False
        self.cut_in = None
        self.accepted = 0
        self.pairs = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_mid_frame(self):
        """Resets every connection as soon as something larger than a frame's head has passed by half."""
        self.cut_in = True

    def cut(self):
        """Resets every connection now."""
        with self.lock:
            for pair in self.pairs:
                for end in pair:
                    reset(end)
            self.pairs.clear()

    def close(self):
        self.listener.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                behind = socket.create_connection(("127.0.0.1", self.port_behind), timeout=5)
                behind.settimeout(None)
            except OSError:
                reset(client)
                continue
            with self.lock:
                self.pairs.append((client, behind))
            for source, target in ((client, behind), (behind, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source, target):
        try:
            while data := source.recv(65536):
                if self.tap:
                    self.tap(data)
                if self.swallows:
                    continue
                # A heartbeat is 8 bytes; what is longer carries a method, a head or a body.
                if self.cut_in and len(data) > 40:
                    self.cut_in = None
                    target.sendall(data[: len(data) // 2 + 1])
                    self.cut()
                    return
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def reset(end):
    """Closes with RST: nothing that is under way arrives."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()
