const { getDefaultConfig } = require("expo/metro-config");
const path = require("node:path");

const config = getDefaultConfig(__dirname);
config.watchFolders = [path.resolve(__dirname, "../typescript")]; // to which package.json links
config.resolver.nodeModulesPaths = [path.resolve(__dirname, "node_modules")]; // and which has no React of its own
module.exports = config;
