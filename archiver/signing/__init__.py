"""Keys that sign. What they sign is checked by `proof.keys` alone; nothing here is needed to verify an archive.

    base    what a signer promises
    file    keys in files: PKCS#8 PEM, for their owner alone, sealed with scrypt where there is a passphrase
    pkcs8   that sealing
    pkcs11  keys in tokens
    kms     keys in AWS KMS
    open    whichever of these a key URI names
    secrecy what a process does about its own memory before it reads a secret

Tried and left: `BestAvailableEncryption` (PKCS#8 with 2,048 rounds of PBKDF2, and no way to ask for more), PKCS#12 (a
container for certificates; `openssl dgst -sign` does not read it).
"""
