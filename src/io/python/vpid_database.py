"""SQLite for `async` functions, without a package: what such files use of aiosqlite.

One thread does the work of one connection, so that the event loop waits for no disk.
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor


async def connect(path):
    worker = ThreadPoolExecutor(1, "sqlite")
    loop = asyncio.get_running_loop()

    def opened():
        return sqlite3.connect(path, check_same_thread=False)

    return Connection(await loop.run_in_executor(worker, opened), worker)


class _Coming:
    """What `await` gives, and `async with` gives and closes in the end."""

    def __init__(self, coming):
        self._coming = coming

    def __await__(self):
        return self._coming.__await__()

    async def __aenter__(self):
        self._there = await self._coming
        return self._there

    async def __aexit__(self, *error):
        await self._there.close()


class _Lent:
    """What a pool lends: this connection, which is never taken away from its other users."""

    def __init__(self, connection):
        self._connection = connection

    def __await__(self):
        return self.__aenter__().__await__()

    async def __aenter__(self):
        return self._connection

    async def __aexit__(self, *error):
        pass


class Connection:
    def __init__(self, connection, worker):
        self._connection = connection
        self._worker = worker

    def _run(self, function, *args):
        return asyncio.get_running_loop().run_in_executor(self._worker, function, *args)

    def cursor(self):
        return _Coming(self._cursor())

    async def _cursor(self):
        return Cursor(await self._run(self._connection.cursor), self)

    def execute(self, sql, parameters=None):
        return _Coming(self._executed("execute", sql, parameters or ()))

    def executemany(self, sql, parameters):
        return _Coming(self._executed("executemany", sql, parameters))

    def executescript(self, sql):
        return _Coming(self._executed("executescript", sql))

    async def _executed(self, method, *args):
        return Cursor(await self._run(getattr(self._connection, method), *args), self)

    async def commit(self):
        await self._run(self._connection.commit)

    async def rollback(self):
        await self._run(self._connection.rollback)

    async def close(self):
        await self._run(self._connection.close)
        self._worker.shutdown(wait=False)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.close()

    @property
    def in_transaction(self):
        return self._connection.in_transaction

    @property
    def total_changes(self):
        return self._connection.total_changes

    @property
    def row_factory(self):
        return self._connection.row_factory

    @row_factory.setter
    def row_factory(self, factory):
        self._connection.row_factory = factory

    # Functions that are written for a pool find one here, of one connection.

    def acquire(self):
        return _Lent(self)

    def release(self, connection):
        pass


class Cursor:
    def __init__(self, cursor, connection):
        self._cursor = cursor
        self.connection = connection

    async def execute(self, sql, parameters=None):
        await self.connection._run(self._cursor.execute, sql, parameters or ())
        return self

    async def executemany(self, sql, parameters):
        await self.connection._run(self._cursor.executemany, sql, parameters)
        return self

    async def executescript(self, sql):
        await self.connection._run(self._cursor.executescript, sql)
        return self

    async def fetchone(self):
        return await self.connection._run(self._cursor.fetchone)

    async def fetchmany(self, size=None):
        size = self._cursor.arraysize if size is None else size
        return await self.connection._run(self._cursor.fetchmany, size)

    async def fetchall(self):
        return await self.connection._run(self._cursor.fetchall)

    async def close(self):
        await self.connection._run(self._cursor.close)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.close()

    def __aiter__(self):
        return self

    async def __anext__(self):
        row = await self.fetchone()
        if row is None:
            raise StopAsyncIteration
        return row

    @property
    def rowcount(self):
        return self._cursor.rowcount

    @property
    def lastrowid(self):
        return self._cursor.lastrowid

    @property
    def description(self):
        return self._cursor.description

    @property
    def arraysize(self):
        return self._cursor.arraysize
