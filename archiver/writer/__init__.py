"""Writing: rows to batches, batches to objects, statements to the log.

`batch` gathers rows and their leaves, `parquet` gives them their published form, `place` puts bytes under a key once,
`append` enters statements in the log, `journal` remembers what a killed run had done. Recovery is the same code as
normal work: every step may be repeated with the same result.
"""
