"""Functions for scripts of the game, of the shapes that owners of VPI have: for the tests of vpid."""

import asyncio
import datetime
import decimal
import functools

import vpi_config

LOGGER = vpi_config.LOGGER
VERSION = 1

# Who waits for what. It outlives an edit of this file, since it stands in another module.
if not hasattr(vpi_config, "TEST_OPEN"):
    vpi_config.TEST_OPEN = asyncio.Event()
    vpi_config.TEST_WAITING = 0

# How the database's driver wants a value in a statement.
VALUE = "%s" if getattr(vpi_config, "DB_TYPE", None) == "mysql" else "?"


def Failed(function, error):
    LOGGER.error("%s has failed", function.__name__, exc_info=True)
    return f"[VPI ERROR] ({function.__name__}) :: {type(error).__name__}"


def WrapDB(function):
    """Gives the function a cursor, and commits what it did."""

    @functools.wraps(function)
    async def inner(info):
        try:
            connection = await vpi_config._GetDBConnection()
            cursor = await connection.cursor()
        except Exception as error:
            return Failed(function, error)
        try:
            result = await function(info, cursor)
            await connection.commit()
            return result
        except Exception as error:
            await connection.rollback()
            return Failed(function, error)
        finally:
            await cursor.close()
            if vpi_config.DB_TYPE == "mysql":
                vpi_config.DB.release(connection)

    inner.__WrapDB__ = True
    return inner


def WrapInterface(function):
    @functools.wraps(function)
    async def inner(info):
        try:
            return await function(info)
        except Exception as error:
            return Failed(function, error)

    return inner


# Without a database


@WrapInterface
async def VPI_Test_Info(info):
    return {name: info[name] for name in ("func", "kwargs", "script", "callback")}


@WrapInterface
async def VPI_Test_Version(info):
    return VERSION


def VPI_Test_Plain(info):
    return {"twice": info["kwargs"]["n"] * 2}


@WrapInterface
async def VPI_Test_Values(info):
    day = datetime.datetime(2026, 11, 20, 8, 30, 5)
    return {
        "bits": [b"\x00", b"\x01", b"text", b"\xff"],
        "times": [day, day.date(), day.time(), datetime.timedelta(days=1, seconds=5)],
        "rows": ((1, "Ann", None), (2, "Bob", True)),
        "numbers": [2**31, 2**62, -5, 1.5, decimal.Decimal("7.00"), decimal.Decimal("0.1")],
    }


@WrapInterface
async def VPI_Test_Fails(info):
    return info["kwargs"]["not there"]


def VPI_Test_Raises(info):
    raise RuntimeError("nobody wraps this one")


async def VPI_Test_Refuses(info):
    return f"[VPI ERROR] ({info['func']}) :: TooPoor"


@WrapInterface
async def VPI_Test_Waits(info):
    vpi_config.TEST_WAITING += 1
    await vpi_config.TEST_OPEN.wait()
    return f"opened in version {VERSION}"


@WrapInterface
async def VPI_Test_Waiting(info):
    return vpi_config.TEST_WAITING


@WrapInterface
async def VPI_Test_Opens(info):
    vpi_config.TEST_OPEN.set()


# Of a name that vpid has, too.
async def VPI_Ping(info):
    return "the owner's pong"


def helper(info):
    return "not for scripts of the game"


# With a database


@WrapDB
async def VPI_Test_Make(info, cursor):
    blob = "BIT(1)" if vpi_config.DB_TYPE == "mysql" else "BLOB"
    await cursor.execute(
        f"CREATE TABLE test_wins (id INTEGER PRIMARY KEY, name VARCHAR(40), good {blob}, won DATE)"
    )


@WrapDB
async def VPI_Test_Insert(info, cursor):
    rows = info["kwargs"]["rows"]
    good = "b'1'" if vpi_config.DB_TYPE == "mysql" else "x'01'"
    await cursor.executemany(
        f"INSERT INTO test_wins VALUES ({VALUE}, {VALUE}, {good}, '2026-11-20')", rows
    )
    return cursor.rowcount


@WrapDB
async def VPI_Test_Select(info, cursor):
    await cursor.execute("SELECT id, name, good, won FROM test_wins ORDER BY id")
    return await cursor.fetchall()


@WrapDB
async def VPI_Test_InsertAndFail(info, cursor):
    await cursor.execute("INSERT INTO test_wins (id) VALUES (99)")
    raise ValueError("thought better of it")


async def VPI_Test_Pool(info, pool):
    """As of forks whose functions are given the pool."""
    async with pool.acquire() as connection:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT COUNT(*), SUM(id) FROM test_wins")
            return await cursor.fetchone()


async def VPI_Test_Ping(info):
    return await vpi_config.PingDB()
