"""A TCP proxy that breaks a link on purpose: cut, half-open, delayed.

The kernel here has no netem, so faults are made where the bytes pass.
"""

import asyncio
import threading


class FaultProxy:
    """Listens on a free loopback port and forwards to `target` (host, port) until told otherwise."""

    def __init__(self, target):
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._mode = "pass"
        self._delay = 0.0
        self._connections = set()
        self._unfrozen = None
        self._server = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._thread.start()
        assert self._ready.wait(120), "the proxy does not listen"
        self.port = self._server.sockets[0].getsockname()[1]

    def heal(self):
        """Forward again, without delay. Connections that were half-open go on where they stopped."""
        self._call(self._set, "pass", 0.0)

    def cut(self):
        """Reset every connection and refuse new ones."""
        self._call(self._set, "cut", 0.0)

    def half_open(self):
        """Swallow silence: connections stay up, new ones are accepted, no byte passes."""
        self._call(self._set, "freeze", 0.0)

    def delay(self, seconds):
        """Every chunk arrives this much later, each way."""
        self._call(self._set, "pass", seconds)

    def close(self):
        self._call(self._set, "cut", 0.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(120)

    def _call(self, function, *arguments):
        done = threading.Event()

        def run():
            function(*arguments)
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(120), "the proxy does not answer"

    def _set(self, mode, delay):
        self._mode = mode
        self._delay = delay
        if mode == "freeze":
            self._unfrozen.clear()
        else:
            self._unfrozen.set()
        if mode == "cut":
            for writer in list(self._connections):
                writer.transport.abort()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._unfrozen = asyncio.Event()
        self._unfrozen.set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self):
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        self._connections.add(writer)
        try:
            if self._mode == "cut":
                writer.transport.abort()
                return
            await self._unfrozen.wait()
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            self._connections.discard(writer)
            return
        if writer.is_closing():  # cut meanwhile
            upstream_writer.transport.abort()
            self._connections.discard(writer)
            return
        self._connections.add(upstream_writer)
        try:
            await asyncio.gather(self._copy(reader, upstream_writer), self._copy(upstream_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, upstream_writer):
                end.transport.abort()
                self._connections.discard(end)

    async def _copy(self, reader, writer):
        queue = asyncio.Queue(maxsize=256)

        async def fill():
            while True:
                try:
                    data = await reader.read(65536)
                except OSError:
                    data = b""
                await queue.put((self._loop.time() + self._delay, data))
                if not data:
                    return

        filler = asyncio.ensure_future(fill())
        try:
            while True:
                due, data = await queue.get()
                if due > self._loop.time():
                    await asyncio.sleep(due - self._loop.time())
                await self._unfrozen.wait()
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        finally:
            filler.cancel()
