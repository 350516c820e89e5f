import DeCLIP
