"""Every core at work, and the order kept."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """Threads that are started when there is work for more than one; Arrow and numpy let them run together.

    Parameters
    ----------
    n : int, optional
        How many; one a core when absent.
    """

    def __init__(self, n: int | None = None) -> None:
        self.n = n or _n_cores()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> InOrder[T, R]:
        """Work on items side by side, a few ahead of whoever takes the results.

        Parameters
        ----------
        work : callable
            Takes an item; must not wait for another.
        items : iterable
            Taken one by one in the thread of the caller.

        Returns
        -------
        InOrder
            Iterating gives each item with its result, in the order of the items.
        """
        return InOrder(self, work, iter(items))

    def submit(self, work: Callable[[T], R], item: T) -> Future[R]:
        """Hand one item to a thread.

        Parameters
        ----------
        work : callable
            Takes the item.
        item : object
            What to work on.

        Returns
        -------
        Future
            The result to come.
        """
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self.n, "leadml")
        return self._pool.submit(work, item)


class InOrder(Generic[T, R]):
    """Items with their results, in order.

    Parameters
    ----------
    workers : Workers
        The threads.
    work : callable
        What they do.
    items : iterator
        What they do it to.
    """

    def __init__(self, workers: Workers, work: Callable[[T], R], items: Iterator[T]) -> None:
        self._workers, self._work, self._items = workers, work, items
        self._begun: deque[tuple[T, Future[R]]] = deque()
        self._held: deque[T] = deque()

    def __iter__(self) -> Iterator[tuple[T, R]]:
        first = next(self._items, None)
        second = next(self._items, None)
        if first is None:
            return
        if second is None:
            yield first, self._work(first)  # a single item needs no thread
            return
        self._held.extend((first, second))
        while True:
            while len(self._begun) <= self._workers.n:
                item = self._held.popleft() if self._held else next(self._items, None)
                if item is None:
                    break
                self._begun.append((item, self._workers.submit(self._work, item)))
            if not self._begun:
                return
            item, result = self._begun.popleft()
            yield item, result.result()

    def left(self) -> Iterator[T]:
        """Give the items whose results were not taken, for whoever goes on without threads.

        Yields
        ------
        object
            The next item.
        """
        yield from (item for item, _ in self._begun)
        yield from self._held
        yield from self._items


def _n_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
