// What an app of React Native bundles: the client, and a storage over AsyncStorage.
export { ChatClient } from "../../client/index.ts";
export { STORAGE_CASES } from "../../client/storage-contract.ts";
export { asyncStorage } from "./async-storage.ts";
