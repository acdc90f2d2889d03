import { basename } from "node:path";
import {
  isClassDeclaration,
  isConstructorDeclaration,
  isExportDeclaration,
  isFunctionDeclaration,
  isIdentifier,
  isImportDeclaration,
  isInterfaceDeclaration,
  isNamedExports,
  isPrivateIdentifier,
  isTypeAliasDeclaration,
  isVariableStatement,
  type Node,
} from "typescript/unstable/ast";
import { API } from "typescript/unstable/sync";

const PACKAGE = "@arcyou/chat-client";
/** Longer ones are for the editor, not for reading. */
const SIGNATURE_CHARACTERS = 1_500;

interface Item {
  name: string;
  isExported: boolean;
  node: Node;
}

/**
 * The reference of a package, in Markdown: everything that each file of declarations exports, then what that is made of.
 *
 * @param configFile a project of these files
 */
export function describeApi(files: readonly string[], configFile: string): string {
  const api = new API();
  try {
    const project = api.updateSnapshot({ openProjects: [configFile] }).getProject(configFile);
    const modules = files.map((file) => {
      const source = project?.program.getSourceFile(file);
      if (!source) throw new Error(`${file} cannot be read.`);
      const name = basename(file, ".d.ts");
      return { path: name === "index" ? PACKAGE : `${PACKAGE}/${name}`, items: itemsOf(source.statements) };
    });
    const names = new Set(modules.flatMap(({ items }) => items.map(({ name }) => name)));
    const contents = modules.map(({ path, items }) => {
      const links = items.filter(({ isExported }) => isExported).map(({ name }) => linkTo(name));
      return `- [\`${path}\`](#${anchor(path)}): ${links.join(", ")}`;
    });
    const described = new Set<string>();
    const chapters = modules.flatMap(({ path, items }) => {
      const inner = items.filter(({ name, isExported }) => !isExported && !described.has(name));
      for (const { name } of items) described.add(name);
      return [
        `## ${path}`,
        ...items.filter(({ isExported }) => isExported).map((item) => describe(item, names)),
        ...(inner.length > 0
          ? [
              `_What the above is made of, and cannot be imported by name:_`,
              ...inner.map((item) => describe(item, names)),
            ]
          : []),
      ];
    });
    const head = `Made from the declarations of \`${PACKAGE}\` by \`npm run build:client\`: change those.`;
    return `${["# Client reference", head, contents.join("\n"), ...chapters].join("\n\n")}\n`;
  } finally {
    api.close();
  }
}

function itemsOf(statements: Iterable<Node>): Item[] {
  const items: Item[] = [];
  const exportedLater = new Set<string>();
  for (const node of statements) {
    if (isExportDeclaration(node) && node.exportClause && isNamedExports(node.exportClause))
      for (const { name } of node.exportClause.elements) exportedLater.add(name.text);
    if (isExportDeclaration(node) || isImportDeclaration(node)) continue;
    const declared = isVariableStatement(node) ? node.declarationList.declarations[0] : node;
    const { name } = declared as { name?: Node };
    if (!name || !isIdentifier(name)) throw new Error(`What is ${node.getText()}?`);
    const isExported = /^export /.test(node.getText());
    items.push({ name: name.text, isExported, node });
  }
  return items
    .map((item) => ({ ...item, isExported: item.isExported || exportedLater.has(item.name) }))
    .sort((a, b) => Number(isType(a.node)) - Number(isType(b.node)));
}

const isType = (node: Node): boolean => isInterfaceDeclaration(node) || isTypeAliasDeclaration(node);

function describe({ name, node }: Item, names: ReadonlySet<string>): string {
  const parts = [`### ${name}`];
  const words = wordsOf(node, names);
  if (!isClassDeclaration(node) && !isInterfaceDeclaration(node))
    return [...parts, ...words, code(signatureOf(node))].join("\n\n");
  const { heritageClauses = [], members } = node;
  const head = [node.typeParameters?.length ? `<${node.typeParameters.map(textOf).join(", ")}>` : ""];
  for (const clause of heritageClauses) head.push(` ${textOf(clause)}`);
  const kind = isClassDeclaration(node) ? "class" : "interface";
  const rows = [...members].flatMap((member) => {
    const memberName = (member as { name?: Node }).name;
    if (memberName && isPrivateIdentifier(memberName)) return [];
    const text = textOf(member).replace(/;$/, "");
    if (isConstructorDeclaration(member) && text.startsWith("protected")) return [];
    const said = wordsOf(member, names).join(" ").replace(/^- /, "\n- ").replace(/\n+- /g, "\n  - ");
    return [
      `- \`${text.replace(/^constructor/, `new ${name}`)}\`${said ? `: ${said}`.replace(": \n", ":\n") : ""}`,
    ];
  });
  return [...parts, code(`${kind} ${name}${head.join("")}`), ...words, rows.join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** What it is declared as, without comments. */
function signatureOf(node: Node): string {
  const text = node
    .getText()
    .replace(/^export /, "")
    .replace(/^declare /, "")
    .replace(/^\s*\/\*\*.*?\*\/\n/gms, "");
  if (text.length <= SIGNATURE_CHARACTERS) return text;
  if (!isFunctionDeclaration(node)) throw new Error(`${text.slice(0, 100)} … is too long to be read.`);
  const parameters = node.parameters.map(
    ({ type }, index) => `${"abc"[index] ?? "more"}: ${type?.getText()}`,
  );
  return `function ${node.name?.text}(${parameters.join(", ").replace(/^a: /, "options: ")}): …`;
}

/** On one line, without comments. */
const textOf = (node: Node): string =>
  node
    .getText()
    .replace(/\/\*\*.*?\*\//gs, "")
    .replace(/\s+/g, " ");

const TAGS: Record<string, string> = { returns: "Returns", throws: "Throws" };

/** Paragraphs of what a docstring says. */
function wordsOf(node: Node, names: ReadonlySet<string>): string[] {
  const raw = node.jsDoc?.at(-1)?.getText() ?? "";
  const text = raw.replace(/^\/\*\*\s?|\s*\*\/$/g, "").replace(/^[ \t]*\* ?/gm, "");
  const [words = "", ...tags] = text.split(/(?:^|\s)@(?=(?:param|returns|throws|example)\b)/);
  const prose = (part: string): string =>
    part
      .trim()
      .replace(/\{@link (\w+)\}/g, (_, name: string) => (names.has(name) ? linkTo(name) : `\`${name}\``))
      .replace(/([^\n])\n(?=[^\n-])/g, "$1 ")
      .replace(/^([^-\n].*)\n- /gm, "$1\n\n- ");
  const said = [prose(words)];
  const examples: string[] = [];
  for (const tag of tags) {
    const [kind = "", rest = ""] = [tag.match(/^\w+/)?.[0], tag.replace(/^\w+\s?/, "")];
    if (kind === "example")
      examples.push(rest.trimStart().startsWith("```") ? rest.trim() : code(rest.trim()));
    else if (kind === "param") said.push(prose(rest).replace(/^(\w+) ?/, "`$1`: "));
    else said.push(`${TAGS[kind]}: ${prose(rest).replace(/^\{(\w+)\}/, "$1")}`);
  }
  return [...said.filter((part) => part !== "").map(ended), ...examples];
}

const ended = (part: string): string => (/[.:`)]$/.test(part) && !part.endsWith("`") ? part : `${part}.`);
const code = (text: string): string => `\`\`\`ts\n${text}\n\`\`\``;
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w -]/g, "")
    .replaceAll(" ", "-");
const linkTo = (name: string): string => `[${name}](#${anchor(name)})`;
