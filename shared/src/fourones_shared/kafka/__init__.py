"""Speaking to Apache Kafka with kafka-python 3: topics, the outbox relay, and the consumer loop.

What each does about loss and repetition is told in docs/decisions (positions in the database, outbox relay).
"""
