"""A TCP proxy that shows somebody all that passes."""

import socket
import threading


class Proxy:
    """Passes everything on."""

    def __init__(self, port, tap):
        """`tap` is called with what passes, in both directions."""
        self.port_behind = port
        self.tap = tap
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                behind = socket.create_connection(("127.0.0.1", self.port_behind), timeout=5)
                behind.settimeout(None)
            except OSError:
                client.close()
                continue
            for source, target in ((client, behind), (behind, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source, target):
        try:
            while data := source.recv(65536):
                self.tap(data)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
