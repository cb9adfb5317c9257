"""How this program speaks S3: below the stores that it writes to and the sources that it reads from, who are strangers.

    client   settings that were proven on every store tried
    errors   refusals in the words of the error tree
    stream   reading one version to its end

Tried and left: a client of its own for sources. Every trap of transport and of half-working stores would be met twice.
"""
