import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/*
 * `npm run lock:platforms`, after a change of dependencies: enters into package-lock.json, and into that of the
 * Next.js example, the binaries of other platforms that this npm left out. Without the entries `npm ci` refuses the lock file, on every platform. An
 * entered package has no checksum until an npm that can reach it adds one.
 */

interface LockedPackage {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const SYSTEMS = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const PROCESSORS = [
  "arm",
  "arm64",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
];

interface Lock {
  packages: Record<string, LockedPackage>;
}

for (const name of ["package-lock.json", "examples/nextjs/package-lock.json"]) {
  const file = fileURLToPath(new URL(`../${name}`, import.meta.url));
  const lock: Lock = JSON.parse(readFileSync(file, "utf8"));
  const added = complete(lock);
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(
    `${name}: ${added === 0 ? "nothing was missing" : `${added} packages of other platforms were added`}.`,
  );
}

/** @returns how many packages were entered */
function complete(lock: Lock): number {
  let added = 0;
  for (const [path, locked] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(locked.optionalDependencies ?? {})) {
      if (isInstalledFor(lock, path, name)) continue;
      lock.packages[`${folderOf(lock, path, locked)}${name}`] = {
        version: range.replace(/^[\^~]/, ""),
        dev: locked.dev,
        optional: true,
        ...platformOf(name),
      };
      added += 1;
    }
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  return added;
}

/** Whether Node would find the package from there: in a folder of its own or of one above. */
function isInstalledFor(lock: Lock, path: string, name: string): boolean {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    if (lock.packages[at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`]) return true;
    if (at === "") return false;
  }
}

/** The folder that the package's binaries for the other platforms are in: beside the ones that npm did find. */
function folderOf(lock: Lock, path: string, locked: LockedPackage): string {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    const folder = at === "" ? "node_modules/" : `${at}/node_modules/`;
    const isHere = Object.entries(locked.optionalDependencies ?? {}).some(
      ([name, range]) => lock.packages[`${folder}${name}`]?.version === range.replace(/^[\^~]/, ""),
    );
    if (isHere || at === "") return folder;
  }
}

/** System and processor as they stand in the package's name. */
function platformOf(name: string): Pick<LockedPackage, "os" | "cpu" | "libc"> {
  const words = name.replace("windows", "win32").split(/[/-]/);
  const systems = SYSTEMS.filter((system) =>
    words.some((word) => word === system || (word === `linuxmusl` && system === "linux")),
  );
  const processors = PROCESSORS.filter((processor) => words.includes(processor));
  return {
    ...(name === "fsevents" ? { os: ["darwin"] } : systems.length > 0 ? { os: systems } : {}),
    ...(processors.length > 0 ? { cpu: processors } : words.includes("64") ? { cpu: ["x64"] } : {}),
  };
}
