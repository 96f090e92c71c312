"""Measures Python's process pools; prints one line of JSON.

    python3 pool.py MEASUREMENT N

The time starts after a warm-up of a tenth of the work, and ends when all the
results are there; their sum is printed so that the caller can check the work.
"""

import collections
import concurrent.futures
import json
import multiprocessing
import statistics
import sys
import time

WORKERS = 2

Record = collections.namedtuple("Record", "id name tags body")


def add_one(x):
    return x + 1


def record_id(r):
    return r.id


def records(n):
    """n records of 1 KiB. Each has a body of its own, since pickle would send a
    shared one only once a chunk."""
    for i in range(n):
        yield Record(i, "a name of 24 characters.", ["red tag.", "blue tag", "last tag"], i.to_bytes(928, "little"))


def timed(n, results):
    """results(n) yields n results; a tenth of them is drawn first as a warm-up."""
    sum(results(max(n // 10, 1)))
    begin = time.perf_counter_ns()
    total = sum(results(n))
    return {"n": n, "ns": time.perf_counter_ns() - begin, "sum": total}


def imap(n, chunk):
    with multiprocessing.Pool(WORKERS) as pool:
        return timed(n, lambda k: pool.imap(add_one, range(k), chunksize=chunk))


def imap_records(n):
    with multiprocessing.Pool(WORKERS) as pool:
        return timed(n, lambda k: pool.imap(record_id, records(k), chunksize=64))


def executor_map(n):
    with concurrent.futures.ProcessPoolExecutor(WORKERS) as pool:
        return timed(n, lambda k: pool.map(add_one, range(k)))


def executor_call(n):
    with concurrent.futures.ProcessPoolExecutor(WORKERS) as pool:
        return timed(n, lambda k: (pool.submit(add_one, i).result() for i in range(k)))


def opened(n, make, first):
    """The median time from making a pool to one result, n times over."""
    times, total = [], 0
    for _ in range(n):
        begin = time.perf_counter_ns()
        pool = make()
        total += first(pool)
        times.append(time.perf_counter_ns() - begin)
        # terminate and shutdown both wait here, so that one start does not
        # overlap with the end of the pool before it.
        pool.terminate() if hasattr(pool, "terminate") else pool.shutdown()
    return {"n": n, "ns": int(statistics.median(times)) * n, "sum": total}


MEASUREMENTS = {
    "imap-1": lambda n: imap(n, 1),
    "imap-64": lambda n: imap(n, 64),
    "imap-records": imap_records,
    "executor-map": executor_map,
    "executor-call": executor_call,
    "open-pool": lambda n: opened(
        n, lambda: multiprocessing.Pool(WORKERS), lambda p: p.apply(add_one, (0,))),
    "open-executor": lambda n: opened(
        n, lambda: concurrent.futures.ProcessPoolExecutor(WORKERS), lambda p: p.submit(add_one, 0).result()),
}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](int(sys.argv[2]))))
