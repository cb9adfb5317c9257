// Checks a Sigstore bundle with Sigstore's own verifier: node verify_bundle.cjs BUNDLE TRUSTED_ROOT KEY TIMESTAMPS
const fs = require("fs");
const crypto = require("crypto");
const { createRequire } = require("module");
const load = createRequire(process.env.ARCHIVER_SIGSTORE + "/package.json");
const { bundleFromJSON } = load("@sigstore/bundle");
const { TrustedRoot } = load("@sigstore/protobuf-specs");
const { Verifier, toSignedEntity, toTrustMaterial } = load("@sigstore/verify");

const [bundle, root, pem, timestamps] = process.argv.slice(2);
const read = (name) => JSON.parse(fs.readFileSync(name, "utf8"));
const key = { publicKey: crypto.createPublicKey(fs.readFileSync(pem)), validFor: () => true };
const trust = toTrustMaterial(TrustedRoot.fromJSON(read(root)), () => key);
const verifier = new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: Number(timestamps) });
verifier.verify(toSignedEntity(bundleFromJSON(read(bundle))));
console.log("verified");
