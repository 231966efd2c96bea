"""What the documents say: six frameworks and their rules (`catalog`), and frameworks of a firm's own (`own`)."""
