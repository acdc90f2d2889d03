import { dirname } from "node:path";
import {
  type Identifier,
  type ImportSpecifier,
  type ImportTypeNode,
  isClassDeclaration,
  isConstructorDeclaration,
  isExportDeclaration,
  isExportSpecifier,
  isIdentifier,
  isImportSpecifier,
  isImportTypeNode,
  isLiteralTypeNode,
  isSourceFile,
  isStringLiteral,
  isVariableDeclaration,
  type Node,
  type StringLiteral,
  SyntaxKind,
} from "typescript/unstable/ast";
import {
  API,
  type Checker,
  type Project,
  SymbolFlags,
  type Symbol as TsSymbol,
} from "typescript/unstable/sync";

/** One subpath of the package. */
export interface EntryPoint {
  /** Of its files, without an ending. */
  name: string;
  /** Where its declarations are now. */
  declarations: string;
}

/**
 * Makes one file of declarations for each entry point, of what is reachable from its exports and nothing else. What an
 * earlier one exports is imported from there: a class that was declared twice would be two types.
 *
 * @param configFile a project of all of them
 * @returns the text of each, by name
 */
export function rollUp(entryPoints: readonly EntryPoint[], configFile: string): Map<string, string> {
  const api = new API();
  try {
    const project = api.updateSnapshot({ openProjects: [configFile] }).getProject(configFile);
    if (!project) throw new Error(`${configFile} is no project.`);
    const published: Published = new Map();
    return new Map(
      entryPoints.map((entryPoint) => [
        entryPoint.name,
        new EntryRollup(project, dirname(configFile), published).write(entryPoint),
      ]),
    );
  } finally {
    api.close();
  }
}

/** Where symbols are declared, by their ids; what is not exported there has no `name`. */
type Published = Map<number, { entryPoint: string; name: string | null }>;

/** Packages that nobody has installed by themselves, and what hands on all they export. */
const REACHED_THROUGH: Record<string, string> = { "@tanstack/query-core": "@tanstack/react-query" };

/** A piece of text to be replaced. */
interface Edit {
  start: number;
  end: number;
  text: string;
}

class EntryRollup {
  readonly #project: Project;
  readonly #checker: Checker;
  /** Everything below is the package's own. */
  readonly #root: string;
  readonly #published: Published;
  /** What each symbol is called here. */
  readonly #names = new Map<number, string>();
  readonly #taken = new Set<string>();
  /** Names of the platform's. */
  readonly #globals = new Set<string>();
  readonly #imports = new Map<string, Set<string>>();
  readonly #queue: TsSymbol[] = [];

  constructor(project: Project, root: string, published: Published) {
    this.#project = project;
    this.#checker = project.checker;
    this.#root = root;
    this.#published = published;
  }

  write({ name: entryPoint, declarations }: EntryPoint): string {
    const source = this.#project.program.getSourceFile(declarations);
    const module = source && this.#checker.getSymbolAtLocation(source);
    if (!module) throw new Error(`${declarations} is no module.`);
    const exported = new Map<number, "type" | "value">();
    const again: string[] = [];
    for (const symbol of this.#checker.getExportsOfModule(module)) {
      const target = this.#targetOf(symbol);
      const elsewhere = this.#published.get(target.id);
      if (elsewhere?.name) {
        again.push(`export { ${as(elsewhere.name, symbol.name)} } from "./${elsewhere.entryPoint}.js";`);
        continue;
      }
      if (symbol.name !== target.name) throw new Error(`${symbol.name} is declared as ${target.name}.`);
      exported.set(target.id, this.#isTypeOnly(symbol) ? "type" : "value");
      this.#name(target);
    }
    const declared: number[] = [];
    const texts: string[] = [];
    const types: string[] = [];
    for (let symbol = this.#queue.shift(); symbol; symbol = this.#queue.shift()) {
      const kind = exported.get(symbol.id);
      declared.push(symbol.id);
      for (const statement of this.#statementsOf(symbol)) {
        const isClass = isClassDeclaration(statement);
        const isOpen = kind === "value" || (kind === "type" && !isClass);
        if (isClass && this.#published.has(symbol.id))
          throw new Error(
            `${symbol.name} would be two classes: "./${this.#published.get(symbol.id)?.entryPoint}" has to export it.`,
          );
        if (kind === "type" && isClass) types.push(this.#name(symbol));
        texts.push(this.#textOf(statement, isOpen, isClass && !isOpen));
      }
    }
    for (const name of this.#taken)
      if (this.#globals.has(name)) throw new Error(`${name} would hide the platform's.`);
    for (const id of declared)
      this.#published.set(id, { entryPoint, name: (exported.has(id) && this.#names.get(id)) || null });
    const imports = [...this.#imports].map(
      ([from, names]) => `import type { ${[...names].sort().join(", ")} } from "${from}";`,
    );
    const ends = types.length > 0 ? `export type { ${types.join(", ")} };` : "export {};";
    return `${[...imports, ...again, ...texts, ends].join("\n")}\n`;
  }

  #targetOf(symbol: TsSymbol): TsSymbol {
    return symbol.flags & SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  #isTypeOnly(symbol: TsSymbol): boolean {
    return this.#nodesOf(symbol).some((node) => {
      if (!isExportSpecifier(node)) return false;
      const declaration = node.parent.parent;
      return node.isTypeOnly || (isExportDeclaration(declaration) && declaration.isTypeOnly);
    });
  }

  #nodesOf(symbol: TsSymbol): Node[] {
    return symbol.declarations.flatMap((handle) => handle.resolve(this.#project) ?? []);
  }

  #isOwn(symbol: TsSymbol): boolean {
    return symbol.declarations.some(({ path }) =>
      path.toLowerCase().startsWith(`${this.#root.toLowerCase()}/`),
    );
  }

  /** The statements that declare it; none if it is something within one. */
  #statementsOf(symbol: TsSymbol): Node[] {
    return this.#nodesOf(symbol).flatMap((node) => {
      const statement = isVariableDeclaration(node) ? node.parent.parent : node;
      return isSourceFile(statement.parent) ? [statement] : [];
    });
  }

  /** What it is called here. What is named for the first time is declared here. */
  #name(symbol: TsSymbol): string {
    const known = this.#names.get(symbol.id);
    if (known !== undefined) return known;
    let name = symbol.name;
    for (let number = 2; this.#taken.has(name); number += 1) name = `${symbol.name}${number}`;
    this.#names.set(symbol.id, name);
    this.#taken.add(name);
    const elsewhere = this.#published.get(symbol.id);
    if (elsewhere?.name) this.#import(`./${elsewhere.entryPoint}.js`, as(elsewhere.name, name));
    else this.#queue.push(symbol);
    return name;
  }

  #import(from: string, name: string): void {
    const names = this.#imports.get(from) ?? new Set();
    this.#imports.set(from, names.add(name));
  }

  /** @param isSealed nobody else makes instances of this class, and what they are made of is nobody else's */
  #textOf(statement: Node, isExported: boolean, isSealed: boolean): string {
    const edits: Edit[] = [];
    const identifiers: Identifier[] = [];
    const visit = (node: Node): void => {
      if (node.kind === SyntaxKind.ExportKeyword || node.kind === SyntaxKind.DeclareKeyword)
        edits.push({ start: node.getStart(), end: node.end + 1, text: "" });
      else if (isSealed && isConstructorDeclaration(node))
        edits.push({ start: startOf(node), end: node.end, text: "protected constructor();" });
      else if (isImportTypeNode(node) && this.#isOwnImport(node)) {
        if (!node.qualifier || !isIdentifier(node.qualifier)) throw new Error(`What is ${node.getText()}?`);
        edits.push({ start: node.getStart(), end: node.qualifier.getStart(), text: "" });
        identifiers.push(node.qualifier);
        node.typeArguments?.forEach(visit);
      } else if (isImportTypeNode(node)) {
        // What follows the module's name is not ours to look up.
        const from = literalOf(node.argument);
        const through = from && REACHED_THROUGH[from.text];
        if (from && through) edits.push({ start: from.getStart(), end: from.end, text: `"${through}"` });
        node.typeArguments?.forEach(visit);
      } else if (isIdentifier(node)) identifiers.push(node);
      else node.forEachChild(visit);
    };
    statement.forEachChild(visit);
    const symbols = identifiers.length > 0 ? this.#checker.getSymbolAtLocation(identifiers) : [];
    for (const [index, identifier] of identifiers.entries()) {
      const symbol = symbols[index];
      const name = symbol && this.#nameAt(symbol);
      if (name !== undefined && name !== identifier.text)
        edits.push({ start: identifier.getStart(), end: identifier.end, text: name });
    }
    const source = statement.getSourceFile().text;
    const words = statement.jsDoc?.at(-1)?.getText() ?? "";
    const isErased =
      statement.kind === SyntaxKind.InterfaceDeclaration ||
      statement.kind === SyntaxKind.TypeAliasDeclaration;
    const text = edited(source, statement.getStart(), statement.end, edits);
    return `${words && `${words}\n`}${isExported ? "export " : ""}${isErased ? "" : "declare "}${text}`;
  }

  #isOwnImport({ argument }: ImportTypeNode): boolean {
    return (literalOf(argument)?.text ?? "").startsWith(".");
  }

  /** The name of what an identifier means, if it is not something within a declaration. */
  #nameAt(symbol: TsSymbol): string | undefined {
    const target = this.#targetOf(symbol);
    if (this.#isOwn(target)) {
      const statements = this.#statementsOf(target);
      return statements.length === 0 ? undefined : this.#name(target);
    }
    const specifier = this.#nodesOf(symbol).find(isImportSpecifier);
    if (specifier) return this.#external(symbol, specifier);
    if (symbol.flags & SymbolFlags.Alias) throw new Error(`Import ${symbol.name} by its name.`);
    this.#globals.add(symbol.name);
    return undefined;
  }

  #external(symbol: TsSymbol, specifier: ImportSpecifier): string {
    const { moduleSpecifier } = specifier.parent.parent.parent as { moduleSpecifier?: Node };
    if (!moduleSpecifier || !isStringLiteral(moduleSpecifier))
      throw new Error(`Where is ${symbol.name} from?`);
    const known = this.#names.get(symbol.id);
    if (known !== undefined) return known;
    this.#names.set(symbol.id, symbol.name);
    this.#import(moduleSpecifier.text, as((specifier.propertyName ?? specifier.name).text, symbol.name));
    return symbol.name;
  }
}

const as = (name: string, here: string): string => (name === here ? name : `${name} as ${here}`);

const literalOf = (type: Node): StringLiteral | undefined =>
  isLiteralTypeNode(type) && isStringLiteral(type.literal) ? type.literal : undefined;

/** Where a node begins, with what is said of it. */
const startOf = (node: Node): number => (node.jsDoc?.[0] ?? node).getStart();

function edited(source: string, start: number, end: number, edits: readonly Edit[]): string {
  let text = "";
  let at = start;
  for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
    text += source.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return text + source.slice(at, end);
}
