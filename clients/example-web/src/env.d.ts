interface ImportMetaEnv {
  readonly VITE_IRISVUE_URL?: string;
  readonly VITE_IRISVUE_TOKEN?: string;
}
