"""SIGHUP, which asks the server to reload its models, is received by a thread that waits for it.

A signal handler would be simpler, but under load the process then sometimes ended with SIGSEGV (benchmarks/serving.md). A SIGHUP that
nobody waits for yet stays pending, so that one during the start is not lost. Windows has no SIGHUP.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

POSSIBLE = hasattr(signal, "SIGHUP")


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Inside the block, SIGHUP does not end the process.

    This holds for the calling thread and for all threads that it starts, so NumPy and other packages with threads should be
    imported inside the block.
    """
    if not POSSIBLE:
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        if signal.SIGHUP in signal.sigpending():  # it would end the process now
            signal.sigwait({signal.SIGHUP})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


@contextlib.contextmanager
def calling(function: Callable[[], None]) -> Iterator[None]:
    """Inside the block, which should be inside of `held`, a thread calls the function once for each SIGHUP.

    Signals during a call lead to one more call. The block ends when a running call has ended.
    """
    if not POSSIBLE:
        yield
        return
    stopping = threading.Event()

    def wait() -> None:
        while signal.sigwait({signal.SIGHUP}) and not stopping.is_set():
            function()

    thread = threading.Thread(target=wait, name="hangups", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        signal.pthread_kill(thread.ident or 0, signal.SIGHUP)
        thread.join()
