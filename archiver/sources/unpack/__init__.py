"""Containers: what is inside an archive, a mailbox or a compressed file, member by member.

    base       what a member is, the bytes it comes from, and how much may come out
    kinds      recognising a container by its first bytes, and opening it
    encodings  gzip, zstd, bzip2, xz: one stream in a file
    zips       zip, by its central directory
    tars       tar, front to back
    mails      attachments of a mail, by its MIME structure
    mailboxes  messages of an mbox file
    captures   records of a web capture
    outlook    properties of a message that Outlook saved
    outlook_stores  messages and attachments of Outlook's stores, by `store_reader`, in a process of its own
    framed     members on their way from such a process
    outside    7z, rar and cab, by another program
    repositories  git repositories in a folder
    lines      bytes line by line

Nothing is extracted to names of the file system: a member's name is bytes in its item's name and no more, so `../` in
it leads nowhere.

Tried and left: `zipfile` (holds the whole central directory in memory, cuts names at NUL, and takes a wrong number of
entries), `tarfile` (ends silently at a bad header behind the first member, and reads a PAX header of any size at once).
"""
