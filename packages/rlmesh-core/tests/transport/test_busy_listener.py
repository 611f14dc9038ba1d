"""Messages between one peer and a listener that others keep busy."""

from __future__ import annotations

import threading

import zmq

from rlmesh._transport.client import ZmqConnection
from rlmesh._transport.security import Token
from rlmesh._transport.server import ZmqListener

PATIENCE = 20.0
ROUND_TRIPS = 20_000


def test_no_message_is_lost_while_another_peer_sends_without_end() -> None:
    listener = ZmqListener("tcp://127.0.0.1:0", Token(), 2**20)
    over = threading.Event()

    def echo() -> None:
        while not over.is_set():
            incoming = listener.receive(0.1)
            if incoming is not None:
                listener.send(incoming.peer, incoming.control)

    def flood() -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.sndhwm, socket.rcvhwm = 10, 0
            socket.connect(listener.address)
            while not over.is_set():
                if socket.poll(10, zmq.POLLOUT):
                    socket.send(b"p")
                while socket.poll(0):
                    socket.recv()

    threads = [threading.Thread(target=work) for work in (echo, flood)]
    connection = ZmqConnection(listener.address, Token(), 2**20)
    try:
        for thread in threads:
            thread.start()
        for number in range(ROUND_TRIPS):
            sent = b"%d" % number
            connection.send(sent)
            message = connection.receive(PATIENCE)
            assert message is not None, f"message {number} was lost"
            assert message.control == sent
    finally:
        over.set()
        for thread in threads:
            thread.join()
        connection.close()
        listener.close()
